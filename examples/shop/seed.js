// Fills an empty shop with made-up goods: `node seed.js`. A shop with goods is left as it is.
// `--long-description-kib 100` adds one whose page is so long, for load tests.

import { parseArgs } from 'node:util';
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
const { values } = parseArgs({ options: { 'long-description-kib': { type: 'string', default: '0' } } });
const longBytes = Number(values['long-description-kib']) * 1024;
if (!(longBytes >= 0 && longBytes <= 1024 * 1024)) {
  console.error('seed: --long-description-kib must be 0 to 1024');
  process.exit(2);
}
if (longBytes > 0) {
  const sentence = 'A description that goes on and on was made up by a program. ';
  const text = sentence.repeat(Math.ceil(longBytes / sentence.length)).slice(0, longBytes);
  goods.push(['a-long-story', 'A long story', text, 1500, STOCK]);
}
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
