// Pages that were made a moment ago, by address, as nginx keeps its own: bounded in bytes, the least used go first.

/** V8 keeps a text with one sign beyond Latin-1 (as € is) in two bytes for each; nobody can ask it which it is. */
const SIGN_BYTES = 2;

export class PageCache {
  #pages = new Map(); // in the order of their last use
  #bytes = 0;

  /**
   * @param mostBytes What all pages and addresses may take together; with 0 nothing is kept.
   * @param lifetimeMs How long a page is as good as new.
   */
  constructor(mostBytes, lifetimeMs, now = Date.now) {
    this.mostBytes = mostBytes;
    this.lifetimeMs = lifetimeMs;
    this.now = now;
  }

  /** The page of an address; undefined if it is not kept, or too old. */
  get(address) {
    const kept = this.#pages.get(address);
    if (kept === undefined || kept.until <= this.now()) {
      return undefined;
    }
    this.#pages.delete(address);
    this.#pages.set(address, kept);
    return kept.text;
  }

  /** Keep a page, and let go of others for it. */
  set(address, text) {
    this.#drop(address);
    const bytes = SIGN_BYTES * (address.length + text.length);
    if (bytes > this.mostBytes) {
      return;
    }
    this.#pages.set(address, { text, bytes, until: this.now() + this.lifetimeMs });
    this.#bytes += bytes;
    for (const oldest of this.#pages.keys()) {
      if (this.#bytes <= this.mostBytes) {
        break;
      }
      this.#drop(oldest);
    }
  }

  #drop(address) {
    this.#bytes -= this.#pages.get(address)?.bytes ?? 0;
    this.#pages.delete(address);
  }
}
