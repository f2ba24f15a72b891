// What the shop is told by its environment; read once, when a process starts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';

export class SettingsError extends Error {}

/** Where the database is, and how many connections one process may hold (>= 1). */
export function databaseSettings(env = process.env) {
  return {
    socketPath: env.DB_SOCKET || '/run/mysqld/mysqld.sock',
    database: required(env, 'DB_NAME'),
    user: required(env, 'DB_USER'),
    password: secret(env, 'database_password'),
    connectionLimit: whole(env, 'DB_POOL_SIZE', 4, 1, 1000),
  };
}

/** Where Redis is; a process that needs more connections (>= 1) than it may hold does not start. */
export function redisSettings(needed, env = process.env) {
  whole(env, 'REDIS_POOL_SIZE', needed, needed, 1000);
  return { path: env.REDIS_SOCKET || '/run/redis/redis-server.sock' };
}

/** Visitors of /live at the same time, per process. */
export function liveConnections(env = process.env) {
  return whole(env, 'LIVE_CONNECTIONS', 200, 1, 100_000);
}

/** What the cache of pages may take of this process's heap, and how long a page is as good as new. */
export function pageCacheSettings(env = process.env) {
  return { mostBytes: heapShare(env, 'PAGE_CACHE_PERCENT'), lifetimeMs: 1_000 * whole(env, 'PAGE_CACHE_S', 2, 0, 3_600) };
}

/** Where the feed of all goods goes, and how much of it is held in memory before it is written. */
export function feedSettings(env = process.env) {
  return { folder: required(env, 'STATE_DIRECTORY'), heldBytes: heapShare(env, 'FEED_PERCENT') };
}

/** The socket that systemd holds, or a port on loopback. */
export function listenSettings(env = process.env) {
  if (env.LISTEN_FDS) {
    return { fd: 3 };
  }
  return { host: '127.0.0.1', port: whole(env, 'PORT', 3000, 1, 65_535) };
}

function required(env, name) {
  if (!env[name]) {
    throw new SettingsError(`the environment variable ${name} is not set`);
  }
  return env[name];
}

// a share, as whoever gives the process its memory sets the heap's limit too
function heapShare(env, name) {
  return Math.floor((whole(env, name, 5, 0, 90) / 100) * getHeapStatistics().heap_size_limit);
}

function whole(env, name, usual, least, most) {
  const text = env[name] || String(usual);
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) {
    throw new SettingsError(`${name}=${JSON.stringify(text)} must be a whole number from ${least} to ${most}`);
  }
  return value;
}

// systemd's credential is readable by this service alone and is never in the environment
function secret(env, name) {
  const path = join(env.CREDENTIALS_DIRECTORY || '', name);
  try {
    return readFileSync(path, 'utf8').replace(/[\r\n]+$/, '');
  } catch (error) {
    throw new SettingsError(`the credential ${name} cannot be read from $CREDENTIALS_DIRECTORY: ${error.message}`);
  }
}
