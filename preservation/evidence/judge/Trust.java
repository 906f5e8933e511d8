import java.io.FileReader;
import java.nio.charset.StandardCharsets;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import org.bouncycastle.cert.X509CRLHolder;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.openssl.PEMParser;

/** What a verifier has of its own: trust anchors, and the revocation lists that it fetched (DER). */
final class Trust {
    final List<X509Certificate> anchors = new ArrayList<>();
    final List<byte[]> lists = new ArrayList<>();

    /** Reads a file of PEM blocks. */
    Trust(String path) throws Exception {
        try (PEMParser in = new PEMParser(new FileReader(path, StandardCharsets.UTF_8))) {
            for (Object o; (o = in.readObject()) != null; ) {
                if (o instanceof X509CertificateHolder) {
                    anchors.add(new JcaX509CertificateConverter().getCertificate((X509CertificateHolder) o));
                } else if (o instanceof X509CRLHolder) {
                    lists.add(((X509CRLHolder) o).getEncoded());
                }
            }
        }
    }
}
