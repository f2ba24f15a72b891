// Writes the feed of all goods, for sites that compare prices: `node feed.js`, for a timer.
// `node feed.js --every-s 60` writes it again and again, for a background worker.

import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { goodsAfter, openPool } from './database.js';
import { price } from './pages.js';
import { onStop } from './process.js';
import { databaseSettings, feedSettings } from './settings.js';

const ROWS = 20;

const { values } = parseArgs({ options: { 'every-s': { type: 'string' } } });
const everyMs = values['every-s'] === undefined ? undefined : Number(values['every-s']) * 1000;
if (everyMs !== undefined && !(everyMs > 0)) {
  console.error('feed: --every-s must be more than 0');
  process.exit(2);
}
const { folder, heldBytes } = feedSettings();
const pool = openPool({ ...databaseSettings(), connectionLimit: 1 });
let isOver = false;

// fields are parted by tabs, goods by ends of lines; `join` makes one flat text of them
const lineOf = (one) =>
  [one.slug, one.name, price(one.price_cents), one.stock, one.description]
    .map((value) => String(value).replace(/[\t\r\n]+/g, ' '))
    .concat('\n')
    .join('\t');

/** Write the feed beside the one that is there, and put it in its place; returns how many goods are in it. */
async function writeFeed() {
  const path = join(folder, 'goods.tsv');
  const part = `${path}.${everyMs === undefined ? 'once' : 'again'}`; // a timer and a worker do not disturb each other
  const file = await open(part, 'w');
  const lines = [];
  let [last, count, held] = [0, 0, 0];
  const write = async () => {
    while (lines.length > 0) {
      await file.write(lines.shift());
    }
    held = 0;
  };
  try {
    // few large writes are kinder to a disk than many small ones
    for (let goods; !isOver && (goods = await goodsAfter(pool, last, ROWS)).length > 0; last = goods.at(-1).id) {
      const made = goods.map(lineOf);
      lines.push(...made);
      count += made.length;
      held += 2 * made.reduce((sum, line) => sum + line.length, 0); // V8 keeps a text with € in two bytes for each sign
      if (held >= heldBytes) {
        await write();
      }
    }
    await write();
  } finally {
    await file.close();
  }
  if (!isOver) {
    await rename(part, path);
  }
  return count;
}

async function work() {
  while (!isOver) {
    try {
      const count = await writeFeed();
      if (everyMs === undefined) {
        console.error(`feed: ${count} goods`);
        return;
      }
    } catch (error) {
      console.error(`feed: ${error.message}`);
      if (everyMs === undefined) {
        process.exitCode = 1;
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

const working = work();
if (everyMs === undefined) {
  await working;
  await pool.end();
} else {
  onStop(async () => {
    isOver = true;
    await pool.end();
  });
}
