// How a process of the shop logs and ends.

/** Longest time to finish what is running; systemd waits a little longer. */
const STOP_WITHIN_MS = 9_000;

/** Fastify's log: warnings and worse, to the journal. */
export const logger = { level: 'warn', stream: process.stderr };

/** Do this when systemd says stop, then end; once only, and never later than 9 s. */
export function onStop(finish) {
  let isStopping = false;
  const stop = async () => {
    if (isStopping) {
      return;
    }
    isStopping = true;
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
    try {
      await finish();
      process.exit(0);
    } catch (error) {
      console.error(`shop: ${error.message}`);
      process.exit(1);
    }
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
