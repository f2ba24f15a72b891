// Fills an empty shop with made-up goods: `node seed.js`. A shop with goods is left as it is.

import { openPool } from './database.js';
import { databaseSettings } from './settings.js';

const KINDS = ['Kettle', 'Lamp', 'Chair', 'Blanket', 'Bowl', 'Clock', 'Mirror', 'Basket', 'Vase', 'Shelf'];
const LOOKS = ['Plain', 'Small', 'Tall', 'Round', 'Blue', 'Oak', 'Woollen', 'Old', 'Light', 'Folding'];
const STOCK = 1_000;

const goods = LOOKS.flatMap((look, row) =>
  KINDS.map((kind, column) => [
    `${look}-${kind}`.toLowerCase(),
    `${look} ${kind}`,
    `This ${look.toLowerCase()} ${kind.toLowerCase()} was made up by a program. `.repeat(8).trim(),
    500 + 130 * row + 45 * column,
    STOCK,
  ]),
);
const pool = openPool({ ...databaseSettings(), connectionLimit: 1 });
try {
  const [[{ filled }]] = await pool.query('SELECT COUNT(*) AS filled FROM products');
  if (filled === 0) {
    await pool.query('INSERT IGNORE INTO products (slug, name, description, price_cents, stock) VALUES ?', [goods]);
  }
  console.error(filled === 0 ? `seed: ${goods.length} products` : 'seed: nothing to do, the shop is not empty');
} catch (error) {
  console.error(`seed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await pool.end();
}
