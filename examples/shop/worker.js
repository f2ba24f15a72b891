// The background worker: takes orders from Redis and marks them as paid. `node worker.js`, one is enough.

import { markPaid, openPool } from './database.js';
import { onStop } from './process.js';
import { ORDERS, ORDERS_TAKEN, openRedis } from './redis.js';
import { databaseSettings, redisSettings } from './settings.js';

const WAIT_S = 2;
const PAUSE_MS = 1_000;

const pool = openPool({ ...databaseSettings(), connectionLimit: 1 });
const redis = openRedis(redisSettings(1), console, { commandTimeout: (WAIT_S + 3) * 1_000 });
let isOver = false;

/** Orders that a worker before this one took and did not finish are to be done again. */
async function takeUpUnfinished() {
  while (await redis.lmove(ORDERS_TAKEN, ORDERS, 'RIGHT', 'RIGHT')); // until there is none
}

async function payNext() {
  const id = await redis.blmove(ORDERS, ORDERS_TAKEN, 'RIGHT', 'LEFT', WAIT_S);
  if (id !== null) {
    const isNew = await markPaid(pool, Number(id)); // a real shop would ask its payment provider here
    await redis.lrem(ORDERS_TAKEN, 1, id);
    console.error(`worker: order ${id} ${isNew ? 'is paid' : 'was paid already'}`);
  }
}

async function work() {
  let hasTakenUp = false;
  while (!isOver) {
    try {
      if (!hasTakenUp) {
        await takeUpUnfinished();
        hasTakenUp = true;
      }
      await payNext();
    } catch (error) {
      console.error(`worker: ${error.message}; trying again`);
      hasTakenUp = false; // the order at hand, if any, is among those taken
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

const working = work();
onStop(async () => {
  isOver = true;
  await working;
  await pool.end();
  redis.disconnect();
});
