// Prints "flavour verdict failed-rules" for each PDF, as veraPDF judges it by
// the flavour that the PDF claims. Run with the jars of org.verapdf.
import java.io.FileInputStream;
import java.util.TreeSet;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.results.ValidationResult;

public class Verdict {
    public static void main(String[] paths) throws Exception {
        Logger.getLogger("").setLevel(Level.OFF);
        VeraGreenfieldFoundryProvider.initialise();
        for (String path : paths) {
            try (PDFAParser p = Foundries.defaultInstance().createParser(new FileInputStream(path))) {
                ValidationResult r = Foundries.defaultInstance().createValidator(p.getFlavour(), false).validate(p);
                TreeSet<String> rules = new TreeSet<>();
                r.getFailedChecks().keySet().forEach(k -> rules.add(k.getClause() + "-" + k.getTestNumber()));
                System.out.println(p.getFlavour().getId() + " " + (r.isCompliant() ? "valid" : "invalid") + " " + rules);
            }
        }
    }
}
