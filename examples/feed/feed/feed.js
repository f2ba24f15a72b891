// Adds messages to the page as they come. The browser comes back by itself, and says which it saw last.

const list = document.querySelector('#messages');
const form = document.querySelector('#new');

new EventSource('/events').onmessage = (event) => {
  const item = document.createElement('li');
  item.textContent = event.data;
  list.prepend(item);
};

form.onsubmit = async (event) => {
  event.preventDefault();
  const answer = await fetch('/messages', { method: 'POST', body: form.elements.text.value });
  if (answer.ok) {
    form.reset();
  }
};
