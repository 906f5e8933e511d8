import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.verapdf.ReleaseDetails;
import org.verapdf.core.EncryptedPdfException;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.*;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.flavours.PDFAFlavour.SpecificationFamily;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.Rule;

/** Validates PDF/A: one request and one answer a line, both JSON. The first line it writes is its version. */
public final class Sidecar {
    public static void main(String[] args) throws Exception {
        java.util.logging.Logger.getLogger("").setLevel(java.util.logging.Level.OFF);
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);
        System.setOut(System.err); // nothing that a library prints may look like an answer
        VeraGreenfieldFoundryProvider.initialise();
        ObjectMapper json = new ObjectMapper();
        out.println(json.writeValueAsString(Map.of("version", ReleaseDetails.byId("core").getVersion())));
        out.flush();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; out.flush()) {
            JsonNode request = json.readTree(line);
            Map<String, Object> answer = new LinkedHashMap<>();
            try (InputStream file = new FileInputStream(request.get("path").asText())) {
                validate(file, request.get("flavour").asText(), answer);
            } catch (EncryptedPdfException e) {
                answer.put("error", "encrypted");
            } catch (Exception | StackOverflowError e) { // OutOfMemoryError ends the process: a fresh one goes on
                answer.put("error", "unreadable");
                answer.put("detail", e.getClass().getSimpleName() + ": " + e.getMessage());
            }
            out.println(json.writeValueAsString(answer));
        }
    }

    /** An empty flavour is the one that the file claims; a file without a claim is not validated. */
    static void validate(InputStream file, String wanted, Map<String, Object> answer) throws Exception {
        PDFAFlavour none = PDFAFlavour.NO_FLAVOUR;
        try (PDFAParser parser = Foundries.defaultInstance().createParser(file, none, none)) {
            PDFAFlavour claimed = none;
            for (PDFAFlavour f : parser.getFlavours()) { // a file may claim PDF/UA as well
                if (f.getPart().getFamily() == SpecificationFamily.PDF_A) {
                    claimed = f;
                }
            }
            answer.put("claimed", claimed == none ? "" : claimed.getId());
            PDFAFlavour flavour = wanted.isEmpty() ? claimed : PDFAFlavour.byFlavourId(wanted);
            if (flavour == none) {
                return;
            }
            parser.setFlavours(List.of(flavour));
            ValidationResult result = Foundries.defaultInstance().createValidator(flavour, false).validate(parser);
            answer.put("flavour", flavour.getId());
            answer.put("valid", result.isCompliant());
            List<Map<String, Object>> failed = new ArrayList<>();
            result.getFailedChecks().forEach((id, count) -> {
                Rule rule = result.getValidationProfile().getRuleByRuleId(id);
                failed.add(Map.of("clause", id.getClause(), "test", id.getTestNumber(), "count", count,
                    "message", rule == null ? "" : rule.getDescription()));
            });
            answer.put("failed", failed);
        }
    }
}
