import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cartPage, html, price, productPage } from '../pages.js';

test('what is put into a page is escaped, parts of pages are not', () => {
  const name = '<b>"Tom\'s" & co</b>';
  assert.equal(html`<p>${name}${html`<br>`}</p>`.text, '<p>&lt;b&gt;&quot;Tom&#39;s&quot; &amp; co&lt;/b&gt;<br></p>');
  assert.doesNotMatch(productPage({ id: 1, slug: 'a', name, description: name, price_cents: 1, stock: 1 }), /<b>/);
});

test('a cart has its sum', () => {
  const goods = [{ id: 1, name: 'Lamp', price_cents: 1455 }, { id: 2, name: 'Bowl', price_cents: 99 }];
  assert.match(cartPage(goods, new Map([[1, 2], [2, 1]])), /Order for 30\.09 €/);
  assert.match(cartPage([], new Map()), /There is nothing in it/);
});

test('prices are written with two digits', () => {
  assert.equal(price(5), '0.05 €');
});
