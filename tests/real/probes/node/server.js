// Says what its runtime was given, and can be made to use more than that.
'use strict';

const http = require('node:http');
const v8 = require('node:v8');

require('ms'); // a package of its own: node_modules is where it is looked for

const kept = [];
let isStopping = false;
const server = http.createServer((request, answer) => {
  answer.shouldKeepAlive &&= !isStopping;
  while (request.url === '/blow') {
    kept.push(Array.from({ length: 1000 }, (_, number) => ({ number: kept.length + number })));
  }
  answer.setHeader('x-release', process.env.RELEASE);
  if (request.url === '/memory') {
    const limit = v8.getHeapStatistics().heap_size_limit;
    answer.end(JSON.stringify({ limit, threads: Number(process.env.UV_THREADPOOL_SIZE), pid: process.pid }));
    return;
  }
  answer.end('ok\n');
});
server.keepAliveTimeout = 75_000; // longer than nginx keeps an idle connection
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : { host: '127.0.0.1', port: Number(process.env.PORT) });
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    isStopping = true;
    server.close(() => process.exit(0));
    setInterval(() => server.closeIdleConnections(), 50);
  });
}
