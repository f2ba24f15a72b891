// Fills an empty shop with made-up goods: `node seed.js`. A shop with goods is left as it is.
// `--long-description-kib 100` adds one whose page is so long, for load tests; `--long-goods 300` so many of them.

import { parseArgs } from 'node:util';
import { openPool } from './database.js';
import { databaseSettings } from './settings.js';

const KINDS = ['Kettle', 'Lamp', 'Chair', 'Blanket', 'Bowl', 'Clock', 'Mirror', 'Basket', 'Vase', 'Shelf'];
const LOOKS = ['Plain', 'Small', 'Tall', 'Round', 'Blue', 'Oak', 'Woollen', 'Old', 'Light', 'Folding'];
const STOCK = 1_000;
/** Goods of one statement: long ones together stay below the server's max_allowed_packet. */
const AT_ONCE = 8;

const goods = LOOKS.flatMap((look, row) =>
  KINDS.map((kind, column) => [
    `${look}-${kind}`.toLowerCase(),
    `${look} ${kind}`,
    `This ${look.toLowerCase()} ${kind.toLowerCase()} was made up by a program. `.repeat(8).trim(),
    500 + 130 * row + 45 * column,
    STOCK,
  ]),
);
const { values } = parseArgs({
  options: { 'long-description-kib': { type: 'string', default: '0' }, 'long-goods': { type: 'string', default: '1' } },
});
const longBytes = Number(values['long-description-kib']) * 1024;
const longGoods = Number(values['long-goods']);
if (!(longBytes >= 0 && longBytes <= 100 * 1024 && longGoods >= 1 && longGoods <= 10_000)) {
  console.error('seed: --long-description-kib must be 0 to 100, --long-goods 1 to 10000');
  process.exit(2);
}
if (longBytes > 0) {
  const sentence = 'A description that goes on and on was made up by a program. ';
  const text = sentence.repeat(Math.ceil(longBytes / sentence.length)).slice(0, longBytes);
  for (let number = 1; number <= longGoods; number++) {
    goods.push([number === 1 ? 'a-long-story' : `a-long-story-${number}`, `A long story, part ${number}`, text, 1500, STOCK]);
  }
}
const pool = openPool({ ...databaseSettings(), connectionLimit: 1 });
try {
  const [[{ filled }]] = await pool.query('SELECT COUNT(*) AS filled FROM products');
  if (filled === 0) {
    await pool.query('START TRANSACTION'); // all or nothing: the pool is of one connection
    for (let first = 0; first < goods.length; first += AT_ONCE) {
      const some = goods.slice(first, first + AT_ONCE);
      await pool.query('INSERT IGNORE INTO products (slug, name, description, price_cents, stock) VALUES ?', [some]);
    }
    await pool.query('COMMIT');
  }
  console.error(filled === 0 ? `seed: ${goods.length} products` : 'seed: nothing to do, the shop is not empty');
} catch (error) {
  console.error(`seed: ${error.message}`);
  process.exitCode = 1;
} finally {
  await pool.end();
}
