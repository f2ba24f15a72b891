// The shop without its servers: what it says while they are away. With them it is tested on a local VPS.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildApp } from '../app.js';
import { openPool } from '../database.js';
import { PageCache } from '../pagecache.js';
import { openRedis } from '../redis.js';

const NOWHERE = '/nonexistent/server.sock';

test('without database and Redis', async (context) => {
  const pool = openPool({ socketPath: NOWHERE, user: 'nobody', database: 'nothing', connectionLimit: 1 });
  const redis = openRedis({ path: NOWHERE }, { warn() {} });
  const app = buildApp(pool, redis, new PageCache(0, 0));
  context.after(async () => {
    await app.close();
    await pool.end();
    redis.disconnect();
  });

  await context.test('the health check names both', async () => {
    const answer = await app.inject('/healthz');
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.body, 'database and redis unavailable\n');
  });

  await context.test('visitors are asked to come again', async () => {
    const answer = await app.inject('/');
    assert.equal(answer.statusCode, 503);
    assert.equal(answer.headers['retry-after'], '5');
    assert.equal(answer.headers['cache-control'], 'private, no-store');
    const cart = await app.inject({ url: '/cart', cookies: { shop_session: 'a'.repeat(32) } });
    assert.equal(cart.statusCode, 503);
  });

  await context.test('a form that is too long is refused', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await app.inject({ method: 'POST', url: '/cart', headers, payload: `product=${'x'.repeat(5000)}` });
    assert.equal(answer.statusCode, 413);
  });

  await context.test('other addresses do not exist', async () => {
    assert.equal((await app.inject('/../package.json')).statusCode, 404);
    assert.equal((await app.inject('/static/live.js')).statusCode, 200);
  });
});
