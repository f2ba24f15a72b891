package quotes;

import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/** Pages that were made before, by address: bounded in bytes, those that were used least lately go first. */
final class PageCache {
    private final long mostBytes;
    private final Map<String, byte[]> pages = new LinkedHashMap<>(16, 0.75f, true);
    private long bytes;

    /** With 0 nothing is kept. */
    PageCache(long mostBytes) {
        this.mostBytes = mostBytes;
    }

    synchronized Optional<byte[]> get(String address) {
        return Optional.ofNullable(pages.get(address));
    }

    synchronized void put(String address, byte[] page) {
        bytes += size(address, page);
        byte[] before = pages.put(address, page);
        if (before != null) {
            bytes -= size(address, before);
        }
        Iterator<Map.Entry<String, byte[]>> oldest = pages.entrySet().iterator();
        while (bytes > mostBytes && oldest.hasNext()) {
            Map.Entry<String, byte[]> one = oldest.next();
            bytes -= size(one.getKey(), one.getValue());
            oldest.remove();
        }
    }

    private static long size(String address, byte[] page) {
        return address.length() + page.length;
    }
}
