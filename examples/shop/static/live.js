// Shows the stock as it changes, and comes back after a while when the connection is lost.

const AGAIN_MS = 5_000;

function watch() {
  const socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`);
  socket.onmessage = (message) => {
    const { id, stock } = JSON.parse(message.data);
    document.querySelectorAll(`[data-stock="${Number(id)}"]`).forEach((place) => (place.textContent = stock));
  };
  socket.onclose = () => setTimeout(watch, AGAIN_MS);
}

if (document.querySelector('[data-stock]')) {
  watch();
}
