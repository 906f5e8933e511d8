import java.io.IOException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.nist.NISTObjectIdentifiers;
import org.bouncycastle.asn1.tsp.ArchiveTimeStamp;
import org.bouncycastle.asn1.tsp.PartialHashtree;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;

/**
 * Makes evidence records in linear time with BouncyCastle's ASN.1: the measure
 * for ours. Its tree is kept, so the path of a leaf is a walk upwards.
 */
final class Linear {
    private static final AlgorithmIdentifier SHA256 = new AlgorithmIdentifier(NISTObjectIdentifiers.id_sha256);
    private static final int ROUNDS = 3; // the first ones are for the compiler; the best counts

    private final int n;
    private final List<byte[][]> levels = new ArrayList<>();

    Linear(int n) {
        this.n = n;
    }

    /** Records per second, from the leaves to the bytes of all records. */
    double rate() throws Exception {
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        byte[][][] groups = new byte[n][3][];
        byte[][] leaves = new byte[n][];
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < 3; k++) {
                groups[i][k] = sha.digest(("record " + i + ", file " + k).getBytes());
            }
            Arrays.sort(groups[i], Arrays::compareUnsigned);
            for (byte[] d : groups[i]) {
                sha.update(d);
            }
            leaves[i] = sha.digest();
        }
        Authority authority = new Authority();
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long start = System.nanoTime();
            build(leaves, sha);
            long built = System.nanoTime();
            ContentInfo token = authority.stamp(levels.get(levels.size() - 1)[0]);
            long stamped = System.nanoTime();
            long bytes = 0;
            for (int i = 0; i < n; i++) {
                bytes += record(groups[i], i, token).length;
            }
            long end = System.nanoTime();
            if (bytes == 0) {
                throw new IllegalStateException("nothing was made");
            }
            best = Math.max(best, n * 1e9 / (built - start + end - stamped));
        }
        return best;
    }

    private void build(byte[][] leaves, MessageDigest sha) {
        levels.clear();
        levels.add(leaves);
        for (byte[][] level = leaves; level.length > 1; levels.add(level)) {
            byte[][] above = new byte[(level.length + 1) / 2][];
            for (int i = 0; i < level.length; i += 2) {
                if (i + 1 == level.length) {
                    above[i / 2] = level[i];
                    continue;
                }
                boolean ordered = Arrays.compareUnsigned(level[i], level[i + 1]) <= 0;
                sha.update(level[ordered ? i : i + 1]);
                sha.update(level[ordered ? i + 1 : i]);
                above[i / 2] = sha.digest();
            }
            level = above;
        }
    }

    private byte[] record(byte[][] group, int leaf, ContentInfo token) throws IOException {
        List<PartialHashtree> path = new ArrayList<>();
        path.add(new PartialHashtree(group));
        int at = leaf;
        for (byte[][] level : levels) {
            if ((at ^ 1) < level.length && level.length > 1) {
                path.add(new PartialHashtree(level[at ^ 1]));
            }
            at /= 2;
        }
        ASN1EncodableVector record = new ASN1EncodableVector();
        record.add(new ASN1Integer(1));
        record.add(new DERSequence(SHA256));
        ArchiveTimeStamp stamp = new ArchiveTimeStamp(SHA256, path.toArray(new PartialHashtree[0]), token);
        ASN1Sequence chain = new DERSequence(stamp);
        record.add(new DERSequence(chain));
        return new DERSequence(record).getEncoded(ASN1Encoding.DER);
    }
}
