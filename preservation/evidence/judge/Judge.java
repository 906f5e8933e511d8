import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

/**
 * The foreign judges of the tests: one question a line on standard input, one
 * answer a line on standard output, fields separated by tabs.
 *
 * <pre>
 * bouncycastle RECORD TRUST AT whole|part FILE...   valid | invalid REASON
 * dss RECORD TRUST AT whole|part FILE...            valid | invalid REASON
 * signatures FILE TRUST AT [FILE...]                for each signature LEVEL INDICATION REASON; files beside it
 * sign KEYS TO OPTIONS FILE...                      TO, a document that DSS signed; OPTIONS as a=b&c=d
 * container FILE TRUST AT                           TYPE, then for each evidence record valid | invalid REASON
 * rate linear|bouncycastle N                        records/s
 * </pre>
 * TRUST is a file of PEM: trust anchors, and revocation lists where the verifier
 * would fetch them. An answer that begins with "error" means that the judge could not judge.
 */
public final class Judge {
    public static void main(String[] args) throws IOException {
        Security.addProvider(new BouncyCastleProvider());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // whatever a library prints is no answer
        for (String line; (line = in.readLine()) != null; ) {
            String answer;
            try {
                answer = answer(line.split("\t"));
            } catch (Exception | LinkageError | StackOverflowError e) {
                answer = "error\t" + e;
            }
            out.println(answer.replaceAll("[\r\n]+", " "));
        }
    }

    private static String answer(String[] q) throws Exception {
        switch (q[0]) {
            case "bouncycastle":
                return new BouncyCastle(new Trust(q[2]), at(q[3])).judge(record(q[1]), q[4].equals("whole"), files(q, 5));
            case "dss":
                return new Dss(new Trust(q[2]), at(q[3])).record(record(q[1]), q[4].equals("whole"), files(q, 5));
            case "signatures":
                return new Dss(new Trust(q[2]), at(q[3])).signatures(Path.of(q[1]), files(q, 4));
            case "sign":
                new Signer(Path.of(q[1]), options(q[3])).sign(Path.of(q[2]), files(q, 4));
                return q[2];
            case "container":
                return new Dss(new Trust(q[2]), at(q[3])).container(Path.of(q[1]));
            case "rate":
                int n = Integer.parseInt(q[2]);
                return String.format("%.0f", q[1].equals("linear") ? new Linear(n).rate() : Generator.rate(n));
            default:
                return "error\tno such question: " + q[0];
        }
    }

    private static Map<String, String> options(String all) {
        return Arrays.stream(all.split("&")).map(o -> o.split("=", 2)).collect(Collectors.toMap(o -> o[0], o -> o[1]));
    }

    private static Date at(String instant) {
        return Date.from(Instant.parse(instant));
    }

    private static List<Path> files(String[] q, int from) {
        return Arrays.stream(q, from, q.length).map(Path::of).toList();
    }

    /** A record as it is, or in base64. */
    private static byte[] record(String path) throws IOException {
        byte[] b = Files.readAllBytes(Path.of(path));
        return b.length > 0 && b[0] == 'M' ? Base64.getMimeDecoder().decode(b) : b;
    }
}
