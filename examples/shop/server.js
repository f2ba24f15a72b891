// The web server: `node server.js`.

import { buildApp } from './app.js';
import { openPool } from './database.js';
import { serveLive } from './live.js';
import { PageCache } from './pagecache.js';
import { openRedis } from './redis.js';
import { databaseSettings, listenSettings, liveConnections, pageCacheSettings, redisSettings } from './settings.js';
import { logger, onStop } from './process.js';

const pool = openPool(databaseSettings());
const atRedis = redisSettings(2); // one connection asks, one listens to what other processes publish
const redis = openRedis(atRedis, console);
const subscriber = openRedis(atRedis, console, { commandTimeout: undefined, maxRetriesPerRequest: null });
const { mostBytes, lifetimeMs } = pageCacheSettings();
const app = buildApp(pool, redis, new PageCache(mostBytes, lifetimeMs), { logger });
await app.ready();
const closeLive = serveLive(app.server, subscriber, liveConnections(), console);

let isStopping = false;
app.server.prependListener('request', (_request, answer) => {
  answer.shouldKeepAlive &&= !isStopping;
});

onStop(async () => {
  isStopping = true;
  const closed = new Promise((resolve) => app.server.close(resolve)); // no new visitors; those inside are served
  closeLive();
  const letGo = setInterval(() => app.server.closeIdleConnections(), 50);
  await closed;
  clearInterval(letGo);
  await app.close();
  await pool.end();
  redis.disconnect();
  subscriber.disconnect();
});
app.server.listen(listenSettings(), () => console.error('shop: listening'));
