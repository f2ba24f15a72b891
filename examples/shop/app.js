// The routes. What they need is given to them, so that tests can give something else.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import cookie from '@fastify/cookie';
import formbody from '@fastify/formbody';
import Fastify from 'fastify';
import * as database from './database.js';
import * as pages from './pages.js';
import * as carts from './redis.js';

const COOKIE = 'shop_session';
const HTML = 'text/html; charset=utf-8';
const HEALTH_TIMEOUT_MS = 2_000;
const FORM_BYTES = 4_096;
const STATIC = { 'shop.css': 'text/css; charset=utf-8', 'live.js': 'text/javascript; charset=utf-8' };
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/** Build the shop from a MySQL pool, a Redis connection and a cache of pages. */
export function buildApp(pool, redis, cache, { logger = false } = {}) {
  const app = Fastify({ logger, trustProxy: true, bodyLimit: FORM_BYTES, requestTimeout: 30_000, disableRequestLogging: true });
  app.register(cookie);
  app.register(formbody, { bodyLimit: FORM_BYTES });

  app.addHook('onSend', async (request, reply) => {
    reply.header('content-security-policy', POLICY).header('x-content-type-options', 'nosniff');
    if (!reply.hasHeader('cache-control')) {
      // a page of somebody with a session is theirs; others may be kept for a moment by a shared cache
      const isShared = request.method === 'GET' && reply.statusCode === 200 && !(COOKIE in request.cookies);
      reply.header('cache-control', isShared ? 'public, max-age=0, s-maxage=5' : 'private, no-store');
    }
  });

  app.setErrorHandler((error, _request, reply) => {
    if (database.isUnavailable(error) || carts.isUnavailable(error)) {
      reply.log.warn(error.message);
      reply.code(503).header('retry-after', '5').type(HTML);
      return pages.messagePage('One moment', 'The shop cannot answer right now. Please try again in a few seconds.');
    }
    const status = error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : 500;
    if (status === 500) {
      reply.log.error(error);
    }
    reply.code(status).type(HTML);
    return pages.messagePage('That did not work', status === 500 ? 'The fault is ours.' : error.message);
  });
  app.setNotFoundHandler((_request, reply) => notFound(reply));

  app.get('/healthz', async (_request, reply) => {
    reply.header('cache-control', 'no-store').header('x-release', process.env.RELEASE ?? 'unknown');
    const asked = await Promise.allSettled([database.ping(pool, HEALTH_TIMEOUT_MS), redis.ping()]);
    const away = ['database', 'redis'].filter((_name, index) => asked[index].status === 'rejected');
    reply.code(away.length > 0 ? 503 : 200).type('text/plain');
    return away.length > 0 ? `${away.join(' and ')} unavailable\n` : 'ok\n';
  });

  app.get('/', async (_request, reply) => {
    reply.type(HTML);
    return pages.listPage(await database.products(pool));
  });

  app.get('/product/:slug', async (request, reply) => {
    let page = cache.get(request.url);
    if (page === undefined) {
      const one = await database.product(pool, request.params.slug.slice(0, 100));
      if (!one) {
        return notFound(reply);
      }
      page = pages.productPage(one);
      cache.set(request.url, page);
    }
    reply.type(HTML);
    return page;
  });

  app.get('/cart', async (request, reply) => {
    reply.header('cache-control', 'private, no-store').type(HTML);
    const cart = await cartOf(request);
    return pages.cartPage(await database.productsOf(pool, [...cart.keys()]), cart);
  });

  app.post('/cart', async (request, reply) => {
    const one = await database.product(pool, String(request.body?.product ?? '').slice(0, 100));
    if (!one) {
      return notFound(reply);
    }
    const session = sessionOf(request) ?? randomBytes(24).toString('base64url');
    if (!(await carts.addToCart(redis, session, one.id))) {
      reply.code(409).type(HTML);
      return pages.messagePage('The cart is full', 'Please order what is in it first.');
    }
    reply.setCookie(COOKIE, session, {
      path: '/',
      httpOnly: true,
      sameSite: 'lax', // no other site can post a form with it
      secure: request.protocol === 'https',
      maxAge: carts.CART_LIFETIME_S,
    });
    return reply.redirect('/cart', 303);
  });

  app.post('/order', async (request, reply) => {
    const cart = await cartOf(request);
    const known = await database.productsOf(pool, [...cart.keys()]);
    if (known.length === 0) {
      return reply.redirect('/cart', 303);
    }
    try {
      const wanted = new Map(known.map((one) => [one.id, cart.get(one.id)]));
      const placed = await database.placeOrder(pool, wanted);
      // the order stands; if Redis is away just now, cleanup.js tells the worker of it
      await Promise.all([carts.announceOrder(redis, placed), carts.emptyCart(redis, sessionOf(request))]).catch(
        (error) => reply.log.warn(`order ${placed.id} is not announced: ${error.message}`),
      );
      return reply.redirect(`/order/${placed.number}`, 303);
    } catch (error) {
      if (!(error instanceof database.SoldOutError)) {
        throw error;
      }
      reply.code(409).type(HTML);
      return pages.cartPage(known, cart, error.message);
    }
  });

  app.get('/order/:number', async (request, reply) => {
    const found = await database.order(pool, request.params.number.slice(0, 32));
    if (!found) {
      return notFound(reply);
    }
    reply.header('cache-control', 'private, no-store').type(HTML);
    return pages.orderPage(found);
  });

  for (const [name, type] of Object.entries(STATIC)) {
    const content = readFileSync(new URL(`static/${name}`, import.meta.url));
    app.get(`/static/${name}`, async (_request, reply) => {
      reply.header('cache-control', 'public, max-age=3600').type(type);
      return content;
    });
  }

  async function cartOf(request) {
    const session = sessionOf(request);
    return session ? carts.readCart(redis, session) : new Map();
  }
  return app;
}

function sessionOf(request) {
  const value = request.cookies[COOKIE] ?? '';
  return /^[\w-]{32}$/.test(value) ? value : undefined;
}

function notFound(reply) {
  reply.code(404).type(HTML);
  return pages.messagePage('Not found', 'There is nothing at this address.');
}
