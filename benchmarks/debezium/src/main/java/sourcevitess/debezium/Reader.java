package sourcevitess.debezium;

import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Reads with Debezium's embedded engine until a number of records has come, and prints them or counts them.
 *
 * <p>Debezium has no end of its own: the number of records and a time limit are what stops it. README.md has the
 * arguments and the output.
 */
public final class Reader implements DebeziumEngine.ChangeConsumer<ChangeEvent<String, String>> {

    private static final byte[] TAB = {'\t'};
    private static final byte[] NEWLINE = {'\n'};

    private final OutputStream out;
    private final long wanted;
    private final CountDownLatch finished;
    private long records;
    private long bytes;
    private long firstAt;
    private long lastAt;

    private Reader(OutputStream out, long wanted, CountDownLatch finished) {
        this.out = out;
        this.wanted = wanted;
        this.finished = finished;
    }

    @Override
    public void handleBatch(
            List<ChangeEvent<String, String>> batch,
            DebeziumEngine.RecordCommitter<ChangeEvent<String, String>> committer)
            throws InterruptedException {
        try {
            for (ChangeEvent<String, String> event : batch) {
                if (records >= wanted) {
                    // Not marked: an offset must not be beyond what was written.
                    break;
                }
                if (event.value() != null) {
                    take(event);
                }
                committer.markProcessed(event);
            }
            committer.markBatchFinished();
            out.flush();
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
        if (records >= wanted) {
            finished.countDown();
        }
    }

    private void take(ChangeEvent<String, String> event) throws IOException {
        byte[] value = event.value().getBytes(StandardCharsets.UTF_8);
        lastAt = System.nanoTime();
        if (records == 0) {
            firstAt = lastAt;
        }
        records++;
        bytes += value.length;
        out.write(event.destination().getBytes(StandardCharsets.UTF_8));
        out.write(TAB);
        out.write(value);
        out.write(NEWLINE);
    }

    /** Rows a second are those after the first, since the first waits for everything that starts. */
    private String summary(long startedAt) {
        double untilFirst = records == 0 ? 0 : (firstAt - startedAt) / 1e9;
        double reading = records == 0 ? 0 : (lastAt - firstAt) / 1e9;
        double cpu = ProcessHandle.current().info().totalCpuDuration().map(d -> d.toMillis() / 1e3).orElse(0.0);
        return String.format(
                java.util.Locale.ROOT,
                "{\"records\": %d, \"value_bytes\": %d, \"seconds_to_first\": %.3f, \"seconds_reading\": %.3f, "
                        + "\"cpu_seconds\": %.2f}",
                records, bytes, untilFirst, reading, cpu);
    }

    /** Runs the engine; the arguments are in README.md. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 4) {
            System.err.println("usage: Reader <properties file> <records> <seconds> <output file, or - to count only>");
            System.exit(2);
        }
        Properties properties = new Properties();
        try (InputStream file = Files.newInputStream(Path.of(arguments[0]))) {
            properties.load(file);
        }
        PrintStream console = System.out;
        CountDownLatch finished = new CountDownLatch(1);
        boolean stopped;
        long startedAt = System.nanoTime();
        try (OutputStream out = arguments[3].equals("-")
                ? OutputStream.nullOutputStream()
                : new BufferedOutputStream(Files.newOutputStream(Path.of(arguments[3])), 1 << 20)) {
            Reader reader = new Reader(out, Long.parseLong(arguments[1]), finished);
            DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class)
                    .using(properties)
                    .notifying(reader)
                    .using((success, message, error) -> {
                        if (!success) {
                            System.err.println("Debezium ended: " + message);
                        }
                        finished.countDown();
                    })
                    .build();
            ExecutorService executor = Executors.newSingleThreadExecutor();
            executor.execute(engine);
            stopped = finished.await(Long.parseLong(arguments[2]), TimeUnit.SECONDS);
            console.println(reader.summary(startedAt));
            console.flush();
            out.flush();
            // Closing the engine can wait for ever on a stream that Debezium believes to be alive.
            Runtime.getRuntime().halt(stopped && reader.records >= reader.wanted ? 0 : 1);
        }
    }
}
