package quotes;

import java.io.IOException;
import java.time.LocalDate;
import java.util.List;
import java.util.Objects;

/** What can be tested without a server; ends with 1 at the first fault. Run by build.sh. */
public final class QuotesTest {
    private QuotesTest() {}

    public static void main(String[] arguments) throws IOException {
        Quotes quotes = new Quotes(List.of("One and two", "Two & <three>", "Four"));
        equal(quotes.search("two"), List.of("One and two", "Two & <three>"));
        equal(quotes.search(" TWO  one "), List.of("One and two"));
        equal(quotes.search("five"), List.of());
        equal(quotes.search("").size(), 3);
        equal(quotes.at(1), "One and two");
        equal(quotes.at(4), "One and two");
        equal(quotes.at(0), "Four");
        equal(quotes.book(2).size(), Quotes.IN_A_BOOK);
        equal(quotes.book(2).subList(0, 3), List.of("Two & <three>", "Four", "One and two"));
        LocalDate day = LocalDate.of(2024, 2, 29);
        equal(quotes.of(day), quotes.of(day));
        equal(Quotes.load().count(), 20);

        equal(Site.escape("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
        equal(Site.query("a=b&q=one+two%C3%BC"), "one twoü");
        equal(Site.query("q=%zz"), "");
        equal(Site.query(null), "");
        equal(Site.query("q=" + "x".repeat(1000)).length(), 200);
        leastUsedGoFirst();
    }

    private static void leastUsedGoFirst() {
        PageCache cache = new PageCache(20);
        cache.put("/a", new byte[8]);
        cache.put("/b", new byte[8]);
        cache.put("/b", new byte[8]);
        equal(cache.get("/a").isPresent(), true);
        cache.put("/c", new byte[8]);
        equal(cache.get("/a").isPresent(), true);
        equal(cache.get("/b").isPresent(), false);
        cache.put("/d", new byte[30]);
        equal(cache.get("/d").isPresent(), false);
    }

    private static void equal(Object found, Object expected) {
        if (!Objects.equals(found, expected)) {
            throw new AssertionError("found " + found + ", expected " + expected);
        }
    }
}
