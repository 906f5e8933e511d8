import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertStore;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1Object;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.tsp.ArchiveTimeStamp;
import org.bouncycastle.asn1.tsp.ArchiveTimeStampChain;
import org.bouncycastle.asn1.tsp.EvidenceRecord;
import org.bouncycastle.asn1.tsp.PartialHashtree;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.operator.DigestCalculator;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TimeStampToken;
import org.bouncycastle.tsp.ers.ERSArchiveTimeStamp;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSDataGroup;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;
import org.bouncycastle.tsp.ers.ERSFileData;

/**
 * Judges evidence records by RFC 4998, 4.3 and 5.3 with BouncyCastle. Its own
 * ERSEvidenceRecord judges the hash trees and the last time-stamp; it accepts an
 * untrusted authority, a renewal that came too late and an algorithm that the
 * record does not declare, and passes over the chains before the last. So every
 * archive time-stamp is looked at by itself here: its hash tree, its token, the
 * token's certificates until the next one took over, and what it must cover.
 */
final class BouncyCastle {
    private final List<X509Certificate> anchors;
    private final Date at;
    private final DigestCalculatorProvider digests;

    BouncyCastle(Trust trust, Date at) throws Exception {
        anchors = trust.anchors;
        this.at = at;
        digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
    }

    /** Says whether a record proves files, and with whole that it covers no other. */
    String judge(byte[] record, boolean whole, List<Path> files) {
        try {
            check(record, whole, files);
            return "valid";
        } catch (Exception e) {
            return "invalid\t" + e.getMessage();
        }
    }

    private static final class Refusal extends Exception {
        Refusal(String why) {
            super(why);
        }
    }

    private void check(byte[] record, boolean whole, List<Path> files) throws Exception {
        ASN1Primitive outer = ASN1Primitive.fromByteArray(record); // refuses what follows it
        if (!ASN1Integer.getInstance(ASN1Sequence.getInstance(outer).getObjectAt(0)).hasValue(1)) {
            throw new Refusal("version");
        }
        EvidenceRecord er = EvidenceRecord.getInstance(outer);
        List<ERSData> data = new ArrayList<>();
        for (Path f : files) {
            data.add(new ERSFileData(f.toFile()));
        }
        // BouncyCastle's own word, on the last chain.
        ERSEvidenceRecord own = new ERSEvidenceRecord(er, digests);
        for (ERSData d : data) {
            own.validatePresent(d, at);
        }
        if (whole && data.size() > 1) {
            own.validatePresent(new ERSDataGroup(data), at);
        }

        Set<String> declared = new HashSet<>();
        for (AlgorithmIdentifier a : er.getDigestAlgorithms()) {
            declared.add(a.getAlgorithm().getId());
        }
        ArchiveTimeStampChain[] chains = er.getArchiveTimeStampSequence().getArchiveTimeStampChains();
        List<TimeStampToken> tokens = new ArrayList<>();
        for (int c = 0; c < chains.length; c++) {
            ArchiveTimeStamp[] stamps = chains[c].getArchiveTimestamps();
            for (int s = 0; s < stamps.length; s++) {
                AlgorithmIdentifier algorithm = stamps[s].getDigestAlgorithmIdentifier();
                if (!declared.contains(algorithm.getAlgorithm().getId())) {
                    throw new Refusal(algorithm.getAlgorithm() + " is not declared");
                }
                if (!algorithm.getAlgorithm().equals(stamps[0].getDigestAlgorithmIdentifier().getAlgorithm())) {
                    throw new Refusal("two algorithms in one chain");
                }
                List<ERSData> must = s > 0 ? List.of(new ERSByteData(stamps[s - 1].getTimeStamp().getEncoded(ASN1Encoding.DER))) : data;
                check(stamps[s], must, s == 0 ? before(chains, c, algorithm) : null, whole && s == 0);
                tokens.add(new TimeStampToken(stamps[s].getTimeStamp()));
            }
        }
        for (int i = 0; i < tokens.size(); i++) {
            boolean last = i + 1 == tokens.size();
            Date until = last ? at : time(tokens.get(i + 1));
            if (!time(tokens.get(i)).before(until)) {
                throw new Refusal("time-stamp " + (i + 1) + (last ? " is of the future" : " is not before the next"));
            }
            check(tokens.get(i), until);
        }
    }

    private static Date time(TimeStampToken t) {
        return t.getTimeStampInfo().getGenTime();
    }

    /** The digest of the chains before one, as RFC 4998, 5.2 has it; null before the first. */
    private byte[] before(ArchiveTimeStampChain[] chains, int chain, AlgorithmIdentifier algorithm) throws Exception {
        if (chain == 0) {
            return null;
        }
        ASN1EncodableVector all = new ASN1EncodableVector();
        for (int i = 0; i < chain; i++) {
            all.add(chains[i]);
        }
        return digest(algorithm, new DERSequence(all));
    }

    private byte[] digest(AlgorithmIdentifier algorithm, ASN1Object o) throws Exception {
        DigestCalculator d = digests.get(algorithm);
        try (OutputStream w = d.getOutputStream()) {
            w.write(o.getEncoded(ASN1Encoding.DER));
        }
        return d.getDigest();
    }

    /** Checks that all data stand in the first list of an archive time-stamp, and that its tree leads to its token. */
    private void check(ArchiveTimeStamp stamp, List<ERSData> data, byte[] before, boolean whole) throws Exception {
        ERSArchiveTimeStamp own = new ERSArchiveTimeStamp(stamp, digests);
        TimeStampToken token = own.getTimeStampToken();
        AlgorithmIdentifier algorithm = stamp.getDigestAlgorithmIdentifier();
        if (!token.getTimeStampInfo().getMessageImprintAlgOID().equals(algorithm.getAlgorithm())) {
            throw new Refusal("the token has another digest algorithm than its tree");
        }
        PartialHashtree[] tree = stamp.getReducedHashTree();
        for (ERSData d : data) {
            byte[] digest = d.getHash(digests.get(algorithm), before);
            if (tree != null && !tree[0].containsHash(digest)) {
                throw new Refusal("not in the first list of the hash tree");
            }
            own.validatePresent(false, digest, at);
        }
        if (whole && data.size() != (tree == null ? 1 : tree[0].getValueCount())) {
            throw new Refusal("the record covers other data too");
        }
    }

    /** Checks a token: its signature, its purpose, and a path to an anchor that held until an instant. */
    private void check(TimeStampToken token, Date until) throws Exception {
        JcaX509CertificateConverter jca = new JcaX509CertificateConverter().setProvider("BC");
        @SuppressWarnings("unchecked")
        Collection<X509CertificateHolder> signers = token.getCertificates().getMatches(token.getSID());
        if (signers.isEmpty()) {
            throw new Refusal("the token lacks the certificate of its authority");
        }
        X509CertificateHolder signer = signers.iterator().next();
        token.validate(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(signer));
        List<X509Certificate> known = new ArrayList<>();
        for (X509CertificateHolder c : token.getCertificates().getMatches(null)) {
            known.add(jca.getCertificate(c));
        }
        Set<TrustAnchor> trust = new HashSet<>();
        for (X509Certificate a : anchors) {
            if (!until.after(a.getNotAfter())) {
                trust.add(new TrustAnchor(a, null));
            }
        }
        if (trust.isEmpty()) {
            throw new Refusal("every trust anchor has ended by " + until.toInstant());
        }
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(jca.getCertificate(signer));
        PKIXBuilderParameters path = new PKIXBuilderParameters(trust, target);
        path.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known)));
        path.setDate(until);
        path.setRevocationEnabled(false); // DSS, openssl and the archive itself look at the lists
        try {
            CertPathBuilder.getInstance("PKIX", "BC").build(path);
        } catch (java.security.GeneralSecurityException e) {
            throw new Refusal("no path to a trust anchor that held until " + until.toInstant() + ": " + e.getMessage());
        }
    }
}
