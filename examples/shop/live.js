// /live: a WebSocket that tells every open page of the stock, as it changes.

import { WebSocketServer } from 'ws';
import { STOCK_CHANNEL } from './redis.js';

const PING_EVERY_MS = 30_000;
/** A visitor who does not read is let go before this many bytes wait for them. */
const WAITING_BYTES = 64 * 1024;
const NO_LONGER_HERE = 1001;

/**
 * Serve /live on a server.
 *
 * @param subscriber A Redis connection of its own: one that listens can do nothing else.
 * @returns close(): says good-bye to everybody.
 */
export function serveLive(server, subscriber, mostConnections, log) {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 1024, // visitors have nothing to say
    perMessageDeflate: false, // would cost a visitor 300 KiB
  });
  server.on('upgrade', (request, socket, head) => {
    const isFull = sockets.clients.size >= mostConnections;
    if (isFull || request.url.split('?')[0] !== '/live') {
      socket.end(`HTTP/1.1 ${isFull ? '503 Service Unavailable' : '404 Not Found'}\r\nConnection: close\r\n\r\n`);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (visitor) => {
      visitor.isAlive = true;
      visitor.on('pong', () => (visitor.isAlive = true));
      visitor.on('error', () => visitor.terminate());
    });
  });

  subscriber.subscribe(STOCK_CHANNEL).catch((error) => log.warn(`live: ${error.message}`)); // ioredis does it again
  subscriber.on('message', (_channel, text) => {
    for (const visitor of sockets.clients) {
      if (visitor.bufferedAmount > WAITING_BYTES) {
        visitor.terminate();
      } else {
        visitor.send(text);
      }
    }
  });

  const pinging = setInterval(() => {
    for (const visitor of sockets.clients) {
      if (!visitor.isAlive) {
        visitor.terminate();
        continue;
      }
      visitor.isAlive = false;
      visitor.ping();
    }
  }, PING_EVERY_MS);

  return function close() {
    clearInterval(pinging);
    for (const visitor of sockets.clients) {
      visitor.close(NO_LONGER_HERE);
    }
    setTimeout(() => sockets.clients.forEach((visitor) => visitor.terminate()), 1_000).unref();
  };
}
