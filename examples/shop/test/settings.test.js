import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { databaseSettings, listenSettings, redisSettings, SettingsError } from '../settings.js';

const CREDENTIALS_DIRECTORY = mkdtempSync(join(tmpdir(), 'shop-'));
writeFileSync(join(CREDENTIALS_DIRECTORY, 'database_password'), 'kept secret\n');

test('the database is told by the environment, its password by a file', () => {
  const settings = databaseSettings({ CREDENTIALS_DIRECTORY, DB_NAME: 'shop', DB_USER: 'sam', DB_POOL_SIZE: '7' });
  assert.equal(settings.password, 'kept secret');
  assert.equal(settings.connectionLimit, 7);
});

for (const DB_POOL_SIZE of ['0', '-1', '4.5', 'many', '1e3']) {
  test(`a pool of ${DB_POOL_SIZE} is refused`, () => {
    const env = { CREDENTIALS_DIRECTORY, DB_NAME: 'shop', DB_USER: 'sam', DB_POOL_SIZE };
    assert.throws(() => databaseSettings(env), SettingsError);
  });
}

test('what is missing is named', () => {
  assert.throws(() => databaseSettings({ CREDENTIALS_DIRECTORY, DB_USER: 'sam' }), /DB_NAME/);
  assert.throws(() => databaseSettings({ DB_NAME: 'shop', DB_USER: 'sam' }), /database_password/);
});

test('the socket of systemd goes before a port', () => {
  assert.deepEqual(listenSettings({ LISTEN_FDS: '1', PORT: '80' }), { fd: 3 });
  assert.deepEqual(listenSettings({ PORT: '8080' }), { host: '127.0.0.1', port: 8080 });
});

test('a process that may not hold the connections it needs does not start', () => {
  assert.throws(() => redisSettings(2, { REDIS_POOL_SIZE: '1' }), SettingsError);
  assert.equal(redisSettings(1, { REDIS_POOL_SIZE: '1', REDIS_SOCKET: '/run/r.sock' }).path, '/run/r.sock');
  assert.equal(redisSettings(2, {}).path, '/run/redis/redis-server.sock');
});
