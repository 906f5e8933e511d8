import java.util.ArrayList;
import java.util.List;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.operator.DigestCalculatorProvider;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.bouncycastle.tsp.TimeStampRequest;
import org.bouncycastle.tsp.TimeStampRequestGenerator;
import org.bouncycastle.tsp.ers.ERSArchiveTimeStampGenerator;
import org.bouncycastle.tsp.ers.ERSByteData;
import org.bouncycastle.tsp.ers.ERSData;
import org.bouncycastle.tsp.ers.ERSDataGroup;
import org.bouncycastle.tsp.ers.ERSEvidenceRecord;
import org.bouncycastle.tsp.ers.ERSEvidenceRecordGenerator;

/** Makes evidence records with BouncyCastle's own generator. */
final class Generator {
    private Generator() {}

    /** Records per second, the time-stamp included: it is one. */
    static double rate(int n) throws Exception {
        DigestCalculatorProvider digests = new JcaDigestCalculatorProviderBuilder().setProvider("BC").build();
        Authority authority = new Authority();
        List<ERSData> groups = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            List<ERSData> files = new ArrayList<>();
            for (int k = 0; k < 3; k++) {
                files.add(new ERSByteData(("record " + i + ", file " + k).getBytes()));
            }
            groups.add(new ERSDataGroup(files));
        }
        long start = System.nanoTime();
        ERSArchiveTimeStampGenerator stamps = new ERSArchiveTimeStampGenerator(digests.get(new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256)));
        stamps.addAllData(groups);
        TimeStampRequestGenerator requests = new TimeStampRequestGenerator();
        requests.setCertReq(true);
        TimeStampRequest request = stamps.generateTimeStampRequest(requests);
        for (ERSEvidenceRecord r : new ERSEvidenceRecordGenerator(digests).generate(stamps.generateArchiveTimeStamps(authority.answer(request)))) {
            r.getEncoded();
        }
        return n * 1e9 / (System.nanoTime() - start);
    }
}
