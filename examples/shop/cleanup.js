// The timer's job: tells the worker of orders that it never heard of, and removes old ones. `node cleanup.js`

import { forgottenOrders, openPool, removeOldOrders } from './database.js';
import { ORDERS, openRedis } from './redis.js';
import { databaseSettings, redisSettings } from './settings.js';

const FORGOTTEN_AFTER_MINUTES = 10;
const REMOVED_AFTER_DAYS = 90;

const pool = openPool({ ...databaseSettings(), connectionLimit: 1 });
const redis = openRedis(redisSettings(1), console);
try {
  const forgotten = await forgottenOrders(pool, FORGOTTEN_AFTER_MINUTES);
  for (const { id } of forgotten) {
    await redis.lrem(ORDERS, 0, id); // told already, but not yet at work: not twice
    await redis.lpush(ORDERS, id);
  }
  const removed = await removeOldOrders(pool, REMOVED_AFTER_DAYS);
  console.error(`cleanup: ${forgotten.length} orders announced again, ${removed} removed`);
} catch (error) {
  console.error(`cleanup: ${error.message}`);
  process.exitCode = 1;
} finally {
  await pool.end();
  redis.disconnect();
}
