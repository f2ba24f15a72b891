// Carts, the list of orders to be paid, and the news of the stock: what Redis holds, and under which names.

import { Redis } from 'ioredis';

export const CART_LIFETIME_S = 7 * 24 * 3600;
/** Different products in a cart, and pieces of one. */
export const CART_PRODUCTS = 20;
export const CART_PIECES = 10;
/** A worker moves an order from the first list to the second before it works on it: a crash loses none. */
export const ORDERS = 'shop:orders';
export const ORDERS_TAKEN = 'shop:orders:taken';
export const STOCK_CHANNEL = 'shop:stock';

/** Never waits for long: a visitor is told to come again rather than kept. */
export function openRedis(settings, log, more = {}) {
  const redis = new Redis({
    ...settings,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    maxRetriesPerRequest: 1,
    retryStrategy: (attempt) => Math.min(attempt * 100, 1_000),
    ...more,
  });
  redis.on('error', (error) => log.warn(`redis: ${error.message}`)); // it comes back by itself
  return redis;
}

export function isUnavailable(error) {
  return (
    ['MaxRetriesPerRequestError', 'AbortError'].includes(error.name) ||
    ['Command timed out', 'Connection is closed.'].includes(error.message)
  );
}

/** Quantity by product id. */
export async function readCart(redis, session) {
  const fields = await redis.hgetall(cartKey(session));
  return new Map(Object.entries(fields).map(([id, quantity]) => [Number(id), Number(quantity)]));
}

/** Put one more piece into the cart; false when it is full. */
export async function addToCart(redis, session, productId) {
  const cart = await readCart(redis, session);
  const quantity = (cart.get(productId) ?? 0) + 1;
  if (quantity > CART_PIECES || (quantity === 1 && cart.size >= CART_PRODUCTS)) {
    return false;
  }
  await redis.multi().hset(cartKey(session), productId, quantity).expire(cartKey(session), CART_LIFETIME_S).exec();
  return true;
}

export async function emptyCart(redis, session) {
  await redis.del(cartKey(session));
}

/** Tell the worker of an order, and whoever watches of the stock. */
export async function announceOrder(redis, placed) {
  const pipeline = redis.multi().lpush(ORDERS, placed.id);
  for (const [id, stock] of placed.stock) {
    pipeline.publish(STOCK_CHANNEL, JSON.stringify({ id, stock }));
  }
  await pipeline.exec();
}

const cartKey = (session) => `shop:cart:${session}`;
