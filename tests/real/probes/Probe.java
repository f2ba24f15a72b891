import com.sun.management.HotSpotDiagnosticMXBean;
import com.sun.net.httpserver.HttpServer;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;

/** Says what its machine was given, and can be made to use more than that. */
public final class Probe {
    private static final String[] OPTIONS = {
        "MaxHeapSize", "MaxMetaspaceSize", "ReservedCodeCacheSize", "MaxDirectMemorySize", "ThreadStackSize"
    };
    private static final List<byte[]> KEPT = new ArrayList<>();

    private Probe() {}

    public static void main(String[] arguments) throws Exception {
        System.setProperty("sun.net.httpserver.idleInterval", "75");
        int port = Integer.parseInt(System.getenv("PORT"));
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 512);
        server.setExecutor(Executors.newFixedThreadPool(Integer.parseInt(System.getenv("THREADS"))));
        server.createContext("/", exchange -> {
            String path = exchange.getRequestURI().getPath();
            while (path.equals("/blow")) {
                KEPT.add(new byte[1 << 20]);
            }
            byte[] answer = (path.equals("/memory") ? memory() : "ok\n").getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("X-Release", System.getenv("RELEASE"));
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(2)));
    }

    private static String memory() {
        HotSpotDiagnosticMXBean machine = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
        StringBuilder text = new StringBuilder("{");
        for (String option : OPTIONS) {
            text.append(String.format("\"%s\": %s, ", option, machine.getVMOption(option).getValue()));
        }
        String collector = ManagementFactory.getGarbageCollectorMXBeans().get(0).getName();
        return text.append(String.format("\"collector\": \"%s\"}", collector)).toString();
    }
}
