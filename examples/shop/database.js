// Every statement of the shop. Prices are whole cents, times are UTC.

import { randomBytes } from 'node:crypto';
import mysql from 'mysql2/promise';

const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 10_000;
/** Visitors who may wait for a connection; those beyond are told at once to come again. */
const WAITING = 200;

/** An order asks for more than is in stock. */
export class SoldOutError extends Error {
  constructor(name) {
    super(`There is not enough of ${name} in stock.`);
  }
}

/** Opens no connection yet: the database may come up later than the shop. */
export function openPool(settings) {
  return mysql.createPool({
    ...settings,
    charset: 'utf8mb4',
    timezone: 'Z',
    connectTimeout: CONNECT_TIMEOUT_MS,
    queueLimit: WAITING,
    idleTimeout: 240_000, // below the server's wait_timeout
    maxIdle: settings.connectionLimit,
  });
}

/** Tells a database that is away, full or slow from a statement that is wrong. */
export function isUnavailable(error) {
  const codes = ['PROTOCOL_CONNECTION_LOST', 'PROTOCOL_SEQUENCE_TIMEOUT', 'POOL_CLOSED', 'ER_CON_COUNT_ERROR'];
  const isQueueFull = error.message === 'Queue limit reached.';
  return isQueueFull || codes.includes(error.code) || (error.syscall !== undefined && error.sqlState === undefined);
}

export async function ping(pool, timeoutMs) {
  await pool.query({ sql: 'SELECT 1', timeout: timeoutMs });
}

export function products(pool) {
  return rows(pool, 'SELECT id, slug, name, price_cents, stock FROM products ORDER BY name LIMIT 100');
}

export async function product(pool, slug) {
  const sql = 'SELECT id, slug, name, description, price_cents, stock FROM products WHERE slug = ?';
  return (await rows(pool, sql, [slug]))[0];
}

/** The next goods after one's id, in the order of their ids. */
export function goodsAfter(pool, id, most) {
  const sql = 'SELECT id, slug, name, description, price_cents, stock FROM products WHERE id > ? ORDER BY id LIMIT ?';
  return rows(pool, sql, [id, most]);
}

export function productsOf(pool, ids) {
  return ids.length === 0
    ? []
    : rows(pool, 'SELECT id, slug, name, price_cents, stock FROM products WHERE id IN (?) ORDER BY id', [ids]);
}

/**
 * Take a cart's goods from stock and write the order, all or nothing.
 *
 * @param cart Quantity by product id.
 * @returns The order's id and number, and what is left in stock by product id.
 */
export async function placeOrder(pool, cart) {
  const connection = await pool.getConnection();
  try {
    await connection.beginTransaction();
    // rows are locked in the order of their ids, in which every order locks them: no two can wait for each other
    const goods = await rows(
      connection,
      'SELECT id, name, price_cents, stock FROM products WHERE id IN (?) ORDER BY id FOR UPDATE',
      [[...cart.keys()]],
    );
    const stock = new Map();
    for (const one of goods) {
      const left = one.stock - cart.get(one.id);
      if (left < 0) {
        throw new SoldOutError(one.name);
      }
      stock.set(one.id, left);
      await rows(connection, 'UPDATE products SET stock = ? WHERE id = ?', [left, one.id]);
    }
    const number = randomBytes(12).toString('base64url'); // who knows it may look at the order
    const total = goods.reduce((sum, one) => sum + one.price_cents * cart.get(one.id), 0);
    const written = await rows(
      connection,
      "INSERT INTO orders (number, status, total_cents, placed_at) VALUES (?, 'placed', ?, UTC_TIMESTAMP())",
      [number, total],
    );
    await rows(connection, 'INSERT INTO order_lines (order_id, product_id, quantity, price_cents) VALUES ?', [
      goods.map((one) => [written.insertId, one.id, cart.get(one.id), one.price_cents]),
    ]);
    await connection.commit();
    connection.release();
    return { id: written.insertId, number, stock };
  } catch (error) {
    connection.destroy(); // and with it the transaction, whatever state the connection is in
    throw error;
  }
}

export async function order(pool, number) {
  return (await rows(pool, 'SELECT number, status, total_cents FROM orders WHERE number = ?', [number]))[0];
}

/** Mark an order as paid; once more does no harm. */
export async function markPaid(pool, id) {
  const sql = "UPDATE orders SET status = 'paid', paid_at = UTC_TIMESTAMP() WHERE id = ? AND status = 'placed'";
  return (await rows(pool, sql, [id])).affectedRows === 1;
}

/** Orders that have been waiting for longer than this, oldest first: nobody has told the worker of them. */
export function forgottenOrders(pool, minutes) {
  return rows(
    pool,
    "SELECT id FROM orders WHERE status = 'placed' AND placed_at < UTC_TIMESTAMP() - INTERVAL ? MINUTE ORDER BY id LIMIT 1000",
    [minutes],
  );
}

/** Remove up to 1000 paid orders older than this; returns how many. */
export async function removeOldOrders(pool, days) {
  const sql = "DELETE FROM orders WHERE status = 'paid' AND placed_at < UTC_TIMESTAMP() - INTERVAL ? DAY LIMIT 1000";
  return (await rows(pool, sql, [days])).affectedRows;
}

async function rows(connection, sql, values = []) {
  return (await connection.query({ sql, values, timeout: QUERY_TIMEOUT_MS }))[0];
}
