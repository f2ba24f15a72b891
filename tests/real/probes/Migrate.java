import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A migration that fills nine tenths of the heap that it may have, and writes down for which release, and how large. */
public final class Migrate {
    private Migrate() {}

    public static void main(String[] arguments) throws Exception {
        long most = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getMax();
        List<byte[]> kept = new ArrayList<>();
        while ((kept.size() + 1L << 20) < most / 10 * 9) {
            byte[] one = new byte[(1 << 20) - 64];
            java.util.Arrays.fill(one, (byte) 1);
            kept.add(one);
        }
        String options = String.join(" ", ManagementFactory.getRuntimeMXBean().getInputArguments());
        String line = System.getenv("RELEASE") + "\t" + kept.size() + "\t" + options + "\n";
        Files.writeString(Path.of(System.getenv("STATE_DIRECTORY"), "migrated"), line);
    }
}
