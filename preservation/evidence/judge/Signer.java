import eu.europa.esig.dss.asic.xades.ASiCWithXAdESSignatureParameters;
import eu.europa.esig.dss.asic.xades.signature.ASiCWithXAdESService;
import eu.europa.esig.dss.enumerations.ASiCContainerType;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.EncryptionAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.tsp.KeyEntityTSPSource;
import eu.europa.esig.dss.token.DSSPrivateKeyEntry;
import eu.europa.esig.dss.token.Pkcs12SignatureToken;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.reference.CanonicalizationTransform;
import eu.europa.esig.dss.xades.reference.DSSReference;
import eu.europa.esig.dss.xades.reference.DSSTransform;
import eu.europa.esig.dss.xades.reference.EnvelopedSignatureTransform;
import eu.europa.esig.dss.xades.signature.XAdESService;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.Map;

/** Signs by EU DSS: the XAdES that others would send us. Keys are in a PKCS #12 file. */
final class Signer {
    private static final char[] PASSWORD = "testtest".toCharArray();

    private final Path keys;
    private final Map<String, String> o;

    /**
     * Options: key (alias), packaging, level, digest, algorithm, c14n (of what is not content), at (time); to refer
     * to an element, reference (URI) and transforms; container; v1 and embed.
     */
    Signer(Path keys, Map<String, String> options) {
        this.keys = keys;
        this.o = options;
    }

    void sign(Path to, List<Path> files) throws Exception {
        List<DSSDocument> documents = files.stream().map(f -> (DSSDocument) new FileDocument(f.toFile())).toList();
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        try (Pkcs12SignatureToken token = new Pkcs12SignatureToken(keys.toFile(), new KeyStore.PasswordProtection(PASSWORD))) {
            DSSPrivateKeyEntry key = token.getKey(o.get("key"), new KeyStore.PasswordProtection(PASSWORD));
            String container = o.get("container");
            XAdESSignatureParameters p = container == null ? new XAdESSignatureParameters() : new ASiCWithXAdESSignatureParameters();
            fill(p, key, documents);
            DSSDocument signed;
            if (container != null) {
                ASiCWithXAdESSignatureParameters a = (ASiCWithXAdESSignatureParameters) p;
                a.aSiC().setContainerType(ASiCContainerType.valueOf(container));
                ASiCWithXAdESService service = new ASiCWithXAdESService(verifier);
                service.setTspSource(authority());
                signed = service.signDocument(documents, a, value(token, key, service.getDataToSign(documents, a)));
            } else {
                XAdESService service = new XAdESService(verifier);
                service.setTspSource(authority());
                if (documents.size() == 1) {
                    signed = service.signDocument(documents.get(0), p, value(token, key, service.getDataToSign(documents.get(0), p)));
                } else {
                    signed = service.signDocument(documents, p, value(token, key, service.getDataToSign(documents, p)));
                }
            }
            signed.save(to.toString());
        }
    }

    private SignatureValue value(Pkcs12SignatureToken token, DSSPrivateKeyEntry key, ToBeSigned data) {
        return token.sign(data, SignatureAlgorithm.getAlgorithm(encryption(key), digest()), key);
    }

    private EncryptionAlgorithm encryption(DSSPrivateKeyEntry key) {
        return o.containsKey("algorithm") ? EncryptionAlgorithm.valueOf(o.get("algorithm")) : key.getEncryptionAlgorithm();
    }

    private void fill(XAdESSignatureParameters p, DSSPrivateKeyEntry key, List<DSSDocument> documents) {
        DigestAlgorithm digest = digest();
        p.setSigningCertificate(key.getCertificate());
        p.setCertificateChain(key.getCertificateChain());
        p.setEncryptionAlgorithm(encryption(key));
        p.setDigestAlgorithm(digest);
        p.setReferenceDigestAlgorithm(digest);
        p.setSigningCertificateDigestMethod(digest);
        p.setSignaturePackaging(SignaturePackaging.valueOf(o.getOrDefault("packaging", "ENVELOPED")));
        p.setSignatureLevel(SignatureLevel.valueOf("XAdES_BASELINE_" + o.getOrDefault("level", "B")));
        p.bLevel().setSigningDate(at());
        p.setEn319132(!o.containsKey("v1"));
        p.setEmbedXML(o.containsKey("embed"));
        p.getSignatureTimestampParameters().setDigestAlgorithm(DigestAlgorithm.SHA256);
        if (o.containsKey("reference")) {
            DSSReference r = new DSSReference();
            r.setId("reference");
            r.setUri(o.get("reference"));
            r.setContents(documents.get(0));
            r.setDigestMethodAlgorithm(digest);
            r.setTransforms(Arrays.stream(o.get("transforms").split(",")).map(Signer::transform).toList());
            p.setReferences(List.of(r));
        }
        if (o.containsKey("c14n")) {
            p.setSignedInfoCanonicalizationMethod(o.get("c14n"));
            p.setSignedPropertiesCanonicalizationMethod(o.get("c14n"));
            p.getSignatureTimestampParameters().setCanonicalizationMethod(o.get("c14n"));
        }
    }

    private static DSSTransform transform(String name) {
        return name.equals("enveloped") ? new EnvelopedSignatureTransform() : new CanonicalizationTransform(name);
    }

    private DigestAlgorithm digest() {
        return DigestAlgorithm.valueOf(o.getOrDefault("digest", "SHA256"));
    }

    private Date at() {
        return Date.from(Instant.parse(o.get("at")));
    }

    private KeyEntityTSPSource authority() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(keys)) {
            store.load(in, PASSWORD);
        }
        List<X509Certificate> chain = Arrays.stream(store.getCertificateChain("tsa")).map(c -> (X509Certificate) c).toList();
        KeyEntityTSPSource source = new KeyEntityTSPSource((PrivateKey) store.getKey("tsa", PASSWORD), chain.get(0), chain);
        source.setTsaPolicy("1.2.3.4");
        source.setProductionTime(new Date(at().getTime() + 60_000));
        return source;
    }
}
