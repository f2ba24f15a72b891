package quotes;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Starts the server on 127.0.0.1:$PORT and ends it in good order. */
public final class Main {
    private static final int BACKLOG = 512;
    /** Requests that wait for a thread; then the one that accepts connections lends a hand, and accepts none meanwhile. */
    private static final int WAITING = 256;
    /** Longest time to finish what is running, ms. */
    private static final int STOP_WITHIN_MS = 8_000;

    private Main() {}

    public static void main(String[] arguments) throws IOException {
        // read by the server when it is first used: seconds for a request to come and for its answer to go
        System.setProperty("sun.net.httpserver.maxReqTime", "10");
        System.setProperty("sun.net.httpserver.maxRspTime", "20");
        System.setProperty("sun.net.httpserver.idleInterval", "75");
        System.setProperty("sun.net.httpserver.nodelay", "true");

        int port = number("PORT", 8080, 1, 65_535);
        int threads = number("THREADS", 8, 1, 1_000);
        ThreadPoolExecutor pool = new ThreadPoolExecutor(
                threads, threads, 1, TimeUnit.MINUTES, new ArrayBlockingQueue<>(WAITING),
                new ThreadPoolExecutor.CallerRunsPolicy());
        long cacheBytes = Runtime.getRuntime().maxMemory() / 100 * number("PAGE_CACHE_PERCENT", 5, 0, 80);
        String release = System.getenv().getOrDefault("RELEASE", "unknown");
        Site site = new Site(Quotes.load(), new PageCache(cacheBytes), release);
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), BACKLOG);
        server.setExecutor(pool);
        server.createContext("/", site);
        server.start();
        System.err.println("quotes: listening on " + server.getAddress() + " with " + threads + " threads");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(server, site, pool)));
    }

    private static void stop(HttpServer server, Site site, ThreadPoolExecutor pool) {
        try {
            site.finish(STOP_WITHIN_MS);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        // nobody new is taken from here on; who was taken and has not asked yet gets this second
        server.stop(1);
        pool.shutdownNow();
        System.err.println("quotes: stopped");
    }

    private static int number(String name, int usual, int least, int most) {
        String text = System.getenv().getOrDefault(name, "");
        if (text.isEmpty()) {
            return usual;
        }
        if (text.matches("[0-9]{1,9}")) {
            int value = Integer.parseInt(text);
            if (value >= least && value <= most) {
                return value;
            }
        }
        System.err.printf("quotes: %s=%s must be a whole number from %d to %d%n", name, text, least, most);
        System.exit(1);
        return usual;
    }
}
