// Brings the tables up to date: `node migrate.js`. Safe to repeat, and safe twice at once: the second waits.
//
// Each file of migrations/ is applied once, in order. The server cannot undo CREATE or ALTER, so a file that stopped
// half-way runs again from its start: write its statements so that they may.

import { readdirSync, readFileSync } from 'node:fs';
import mysql from 'mysql2/promise';
import { databaseSettings } from './settings.js';

const LOCK_WAIT_S = 60;
const FOLDER = new URL('migrations/', import.meta.url);

const { connectionLimit: _, ...settings } = databaseSettings();
let connection;
try {
  connection = await mysql.createConnection(settings);
  const lock = `${settings.database}.migrate`.slice(-64);
  const [[{ isMine }]] = await connection.query('SELECT GET_LOCK(?, ?) AS isMine', [lock, LOCK_WAIT_S]);
  if (isMine !== 1) {
    throw new Error(`another migration has been running for ${LOCK_WAIT_S} s`);
  }
  await connection.query('CREATE TABLE IF NOT EXISTS schema_migrations (name VARCHAR(100) NOT NULL PRIMARY KEY)');
  const [rows] = await connection.query('SELECT name FROM schema_migrations');
  const applied = new Set(rows.map((row) => row.name));
  const missing = readdirSync(FOLDER).sort().filter((name) => name.endsWith('.sql') && !applied.has(name));
  for (const name of missing) {
    const statements = readFileSync(new URL(name, FOLDER), 'utf8').split(/;\s*$/m).filter((text) => text.trim());
    for (const statement of statements) {
      await connection.query(statement);
    }
    await connection.query('INSERT INTO schema_migrations (name) VALUES (?)', [name]);
    console.error(`migrate: ${name}`);
  }
  console.error(missing.length > 0 ? 'migrate: done' : 'migrate: nothing to do');
} catch (error) {
  console.error(`migrate: ${error.message}`);
  process.exitCode = 1;
} finally {
  connection?.destroy(); // which frees the lock
}
