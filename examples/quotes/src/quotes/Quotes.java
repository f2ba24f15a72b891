package quotes;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** The quotes: a list that never changes. */
final class Quotes {
    /** Quotes that a search gives at most, and a book has. */
    static final int FOUND = 20;
    static final int IN_A_BOOK = 2000;

    private final List<String> all;

    Quotes(List<String> all) {
        if (all.isEmpty()) {
            throw new IllegalArgumentException("there are no quotes");
        }
        this.all = List.copyOf(all);
    }

    /** Reads the quotes that are in the jar. */
    static Quotes load() throws IOException {
        try (BufferedReader reader = new BufferedReader(
                new InputStreamReader(Quotes.class.getResourceAsStream("quotes.txt"), StandardCharsets.UTF_8))) {
            return new Quotes(reader.lines().filter(line -> !line.isBlank()).collect(Collectors.toList()));
        }
    }

    /** The quote of a day, the same all day long. */
    String of(LocalDate day) {
        return all.get(new Random(day.toEpochDay()).nextInt(all.size()));
    }

    /** The quote with a number, counted from 1 and round again. */
    String at(int number) {
        return all.get(Math.floorMod(number - 1, all.size()));
    }

    /** The quotes that hold all words, in order. */
    List<String> search(String words) {
        String[] wanted = words.toLowerCase(Locale.ROOT).trim().split("\\s+");
        return all.stream().filter(quote -> holdsAll(quote, wanted)).limit(FOUND).collect(Collectors.toList());
    }

    /** A book of quotes from a number on, round again as often as it takes. */
    List<String> book(int from) {
        return IntStream.range(0, IN_A_BOOK).mapToObj(offset -> at(from + offset)).collect(Collectors.toList());
    }

    int count() {
        return all.size();
    }

    private static boolean holdsAll(String quote, String[] wanted) {
        String text = quote.toLowerCase(Locale.ROOT);
        for (String word : wanted) {
            if (!text.contains(word)) {
                return false;
            }
        }
        return true;
    }
}
