import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PageCache } from '../pagecache.js';

const PAGE = 'x'.repeat(498);

test('the pages that were used least lately go first', () => {
  const cache = new PageCache(2_000, 1_000);
  cache.set('/a', PAGE);
  cache.set('/b', PAGE);
  assert.equal(cache.get('/a'), PAGE);
  cache.set('/c', PAGE);
  assert.deepEqual(['/a', '/b', '/c'].map((address) => cache.get(address)), [PAGE, undefined, PAGE]);
});

test('a page that is made anew is counted once', () => {
  const cache = new PageCache(2_000, 1_000);
  cache.set('/a', PAGE);
  cache.set('/b', PAGE);
  cache.set('/b', PAGE);
  assert.equal(cache.get('/a'), PAGE);
});

test('a page grows old', () => {
  let now = 0;
  const cache = new PageCache(2_000, 1_000, () => now);
  cache.set('/a', PAGE);
  now = 999;
  assert.equal(cache.get('/a'), PAGE);
  now = 1_000;
  assert.equal(cache.get('/a'), undefined);
});

test('a page that is larger than all of it is not kept', () => {
  const cache = new PageCache(100, 1_000);
  cache.set('/a', PAGE);
  assert.equal(cache.get('/a'), undefined);
});
