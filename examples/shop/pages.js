// The pages. `html` escapes whatever is put into it, unless that is a page's part itself.

class Html {
  constructor(text) {
    this.text = text;
  }
}

const SIGNS = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function html(strings, ...values) {
  const parts = strings.map((string, index) => string + (index < values.length ? textOf(values[index]) : ''));
  return new Html(parts.join(''));
}

function textOf(value) {
  if (Array.isArray(value)) {
    return value.map(textOf).join('');
  }
  return value instanceof Html ? value.text : String(value ?? '').replace(/[&<>"']/g, (sign) => SIGNS[sign]);
}

export const price = (cents) => `${(cents / 100).toFixed(2)} €`;

function page(title, body) {
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · A small shop</title><link rel="stylesheet" href="/static/shop.css"></head>
<body><header><a href="/">A small shop</a> <a href="/cart">Cart</a></header><main>${body}</main>
<script src="/static/live.js" type="module"></script></body></html>
`.text;
}

const stockOf = (one) => html`<span data-stock="${one.id}">${one.stock}</span> in stock`;

export function listPage(products) {
  const items = products.map(
    (one) => html`<li><a href="/product/${one.slug}">${one.name}</a> ${price(one.price_cents)}, ${stockOf(one)}</li>\n`,
  );
  return page('Goods', html`<h1>Goods</h1><ul>${items}</ul>`);
}

export function productPage(one) {
  return page(
    one.name,
    html`<h1>${one.name}</h1><p>${one.description}</p><p>${price(one.price_cents)}, ${stockOf(one)}</p>
<form method="post" action="/cart"><input type="hidden" name="product" value="${one.slug}"><button>Into the cart</button></form>`,
  );
}

export function cartPage(products, cart, problem = '') {
  const lines = products.map(
    (one) => html`<li>${cart.get(one.id)} × ${one.name}, ${price(one.price_cents * cart.get(one.id))}</li>\n`,
  );
  const total = products.reduce((sum, one) => sum + one.price_cents * cart.get(one.id), 0);
  const button = lines.length > 0 && html`<form method="post" action="/order"><button>Order for ${price(total)}</button></form>`;
  return page('Cart', html`<h1>Cart</h1><p>${problem}</p><ul>${lines}</ul>${button || 'There is nothing in it.'}`);
}

export function orderPage(order) {
  const state = order.status === 'paid' ? 'It is paid and on its way.' : 'It is waiting for the payment.';
  return page('Order', html`<h1>Order ${order.number}</h1><p>${price(order.total_cents)}. ${state}</p>`);
}

export function messagePage(title, text) {
  return page(title, html`<h1>${title}</h1><p>${text}</p>`);
}
