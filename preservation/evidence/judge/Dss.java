import eu.europa.esig.dss.enumerations.Level;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.InMemoryDocument;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.policy.EtsiValidationPolicy;
import eu.europa.esig.dss.policy.ValidationPolicyFacade;
import eu.europa.esig.dss.policy.jaxb.ConstraintsParameters;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.reports.Reports;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Judges by EU DSS under its default policy, without a network. */
final class Dss {
    private final CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
    private final ConstraintsParameters policy;
    private final Date at;

    Dss(Trust trust, Date at) throws Exception {
        try (InputStream in = ValidationPolicyFacade.class.getResourceAsStream("/policy/constraint.xml")) {
            policy = ValidationPolicyFacade.newFacade().unmarshall(in);
        }
        CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
        for (X509Certificate a : trust.anchors) {
            trusted.addCertificate(new CertificateToken(a));
        }
        verifier.setTrustedCertSources(trusted);
        verifier.setCrlSource(new ExternalResourcesCRLSource(trust.lists.stream().map(ByteArrayInputStream::new).toArray(InputStream[]::new)));
        this.at = at;
    }

    /** Says whether an evidence record proves files, and with whole that it covers no other. */
    String record(byte[] record, boolean whole, List<Path> files) {
        if (whole) {
            policy.getEvidenceRecord().getDataObjectGroup().setLevel(Level.FAIL);
        }
        SimpleReport r = validate(new InMemoryDocument(record), files).getSimpleReport();
        return r.getFirstEvidenceRecordId() == null ? "invalid\tno evidence record" : evidence(r, r.getFirstEvidenceRecordId());
    }

    /** Names the level and the verdict of each signature in a document, over the files beside it where it is detached. */
    String signatures(Path file, List<Path> beside) {
        SimpleReport r = validate(new FileDocument(file.toFile()), beside).getSimpleReport();
        List<String> all = new ArrayList<>();
        for (String id : r.getSignatureIdList()) {
            all.add(r.getSignatureFormat(id) + "\t" + r.getIndication(id) + "\t" + reasons(r, id));
        }
        return String.join("\t", all);
    }

    /** Names the type of a container and judges its evidence records. */
    String container(Path file) {
        SimpleReport r = validate(new FileDocument(file.toFile()), List.of()).getSimpleReport();
        String all = String.valueOf(r.getContainerType());
        for (String id : r.getEvidenceRecordIdList()) {
            all += "\t" + evidence(r, id);
        }
        return all;
    }

    private Reports validate(DSSDocument document, List<Path> files) {
        SignedDocumentValidator v = SignedDocumentValidator.fromDocument(document);
        v.setCertificateVerifier(verifier);
        v.setValidationTime(at);
        v.setDetachedContents(files.stream().map(f -> (DSSDocument) new FileDocument(f.toFile())).toList());
        return v.validateDocument(new EtsiValidationPolicy(policy));
    }

    private static String evidence(SimpleReport r, String id) {
        return (r.isValid(id) ? "valid\t" : "invalid\t") + r.getIndication(id) + " " + r.getSubIndication(id) + " " + reasons(r, id);
    }

    private static String reasons(SimpleReport r, String id) {
        return Stream.of(r.getAdESValidationErrors(id), r.getAdESValidationWarnings(id)).flatMap(List::stream)
            .map(Message::getValue).distinct().collect(Collectors.joining("; "));
    }
}
