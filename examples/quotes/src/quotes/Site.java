package quotes;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** Answers visitors, and knows how many are being answered. */
final class Site implements HttpHandler {
    private static final int SEARCH_CHARACTERS = 200;
    private static final String HTML = "text/html; charset=utf-8";
    private static final String TEXT = "text/plain; charset=utf-8";

    private final Quotes quotes;
    private final PageCache cache;
    private final String release;
    private int answering;
    private boolean finishing;

    Site(Quotes quotes, PageCache cache, String release) {
        this.quotes = quotes;
        this.cache = cache;
        this.release = release;
    }

    @Override
    public void handle(HttpExchange exchange) throws IOException {
        begin(exchange);
        try {
            answer(exchange);
        } catch (RuntimeException fault) {
            System.err.println("quotes: " + exchange.getRequestURI() + ": " + fault);
            send(exchange, 500, TEXT, "the fault is ours\n");
        } finally {
            exchange.close();
            end();
        }
    }

    /** Lets every visitor go after the answer, and waits until none is being answered. */
    synchronized void finish(long withinMs) throws InterruptedException {
        finishing = true;
        long latest = System.nanoTime() + withinMs * 1_000_000;
        long leftMs = withinMs;
        while (answering > 0 && leftMs > 0) {
            wait(leftMs);
            leftMs = (latest - System.nanoTime()) / 1_000_000;
        }
    }

    private synchronized void begin(HttpExchange exchange) {
        answering++;
        if (finishing) {
            exchange.getResponseHeaders().set("Connection", "close");
        }
    }

    private synchronized void end() {
        answering--;
        notifyAll();
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        if (!List.of("GET", "HEAD").contains(exchange.getRequestMethod())) {
            send(exchange, 405, TEXT, "not allowed\n");
        } else if (path.equals("/healthz")) {
            exchange.getResponseHeaders().set("X-Release", release);
            send(exchange, 200, TEXT, "ok\n");
        } else if (path.equals("/")) {
            String quote = quotes.of(LocalDate.now(ZoneOffset.UTC));
            send(exchange, 200, HTML, page("<blockquote>" + escape(quote) + "</blockquote>"));
        } else if (path.matches("/[0-9]{1,9}")) {
            send(exchange, 200, TEXT, quotes.at(Integer.parseInt(path.substring(1))) + "\n");
        } else if (path.equals("/search")) {
            sendKept(exchange, () -> page(found(query(exchange.getRequestURI().getRawQuery()))));
        } else if (path.matches("/book/[0-9]{1,9}")) {
            sendKept(exchange, () -> page(list(quotes.book(Integer.parseInt(path.substring(6))))));
        } else {
            send(exchange, 404, TEXT, "there is nothing at this address\n");
        }
    }

    private String found(String words) {
        return "<h2>" + escape(words) + "</h2>" + list(quotes.search(words));
    }

    private static String list(List<String> some) {
        return some.stream()
                .map(quote -> "<li>" + escape(quote) + "</li>\n")
                .collect(Collectors.joining("", "<ul>\n", "</ul>"));
    }

    /** Sends a page that is always the same at this address: it is made once, and kept for as long as there is room. */
    private void sendKept(HttpExchange exchange, Supplier<String> make) throws IOException {
        String address = exchange.getRequestURI().toString();
        byte[] body = cache.get(address).orElse(null);
        if (body == null) {
            body = make.get().getBytes(StandardCharsets.UTF_8);
            cache.put(address, body);
        }
        send(exchange, 200, HTML, body);
    }

    private String page(String body) {
        return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Quotes</title></head><body>"
                + "<h1>One of " + quotes.count() + " quotes</h1>" + body
                + "<form action=\"/search\"><input name=\"q\" maxlength=\"" + SEARCH_CHARACTERS
                + "\" aria-label=\"Words\"> <button>Search</button></form></body></html>\n";
    }

    /** The value of q; what cannot be read is nothing. */
    static String query(String raw) {
        for (String pair : (raw == null ? "" : raw).split("&")) {
            if (pair.startsWith("q=")) {
                try {
                    String words = URLDecoder.decode(pair.substring(2), StandardCharsets.UTF_8);
                    return words.substring(0, Math.min(words.length(), SEARCH_CHARACTERS));
                } catch (IllegalArgumentException damaged) {
                    return "";
                }
            }
        }
        return "";
    }

    static String escape(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\"", "&quot;");
    }

    private static void send(HttpExchange exchange, int status, String type, String text) throws IOException {
        send(exchange, status, type, text.getBytes(StandardCharsets.UTF_8));
    }

    private static void send(HttpExchange exchange, int status, String type, byte[] body) throws IOException {
        var headers = exchange.getResponseHeaders();
        headers.set("Content-Type", type);
        headers.set("X-Content-Type-Options", "nosniff");
        headers.set("Cache-Control", "no-store");
        headers.set("Content-Security-Policy", "default-src 'none'; form-action 'self'; base-uri 'none'");
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.sendResponseHeaders(status, -1);
            return;
        }
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
    }
}
