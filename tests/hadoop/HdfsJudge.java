// What the tests do to an HDFS and hear of it, by Apache's own client and by nothing of ours: one command a line on standard input, one
// answer a line on standard output. Fields are separated by tabs and percent-encoded. An answer is "ok" with its fields, or "error" with
// the exception's class and text. Started as `cluster.py run CLUSTER hdfs-judge`.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.*;
import org.apache.hadoop.fs.permission.AclEntry;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DistributedFileSystem;

public class HdfsJudge {
    static final PrintStream OUT = System.out;
    static DistributedFileSystem fs;

    public static void main(String[] args) throws Exception {
        System.setOut(System.err); // libraries may print; answers go to the real one
        fs = (DistributedFileSystem) FileSystem.get(new Configuration());
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            List<String> fields = new ArrayList<>();
            for (String field : line.split("\t", -1)) fields.add(URLDecoder.decode(field, StandardCharsets.UTF_8));
            try {
                answer("ok", run(fields.get(0), fields.subList(1, fields.size())));
            } catch (Throwable error) {
                answer("error", List.of(error.getClass().getSimpleName() + ": " + error.getMessage()));
            }
        }
    }

    static void answer(String word, List<String> fields) {
        StringBuilder line = new StringBuilder(word);
        for (String field : fields) line.append('\t').append(URLEncoder.encode(field, StandardCharsets.UTF_8));
        OUT.println(line);
        OUT.flush();
    }

    static List<String> run(String verb, List<String> of) throws Exception {
        Path at = new Path(new URI(null, null, of.get(0), null));
        switch (verb) {
            case "mkdir": fs.mkdirs(at); break;
            case "write": write(at, Integer.parseInt(of.get(1)), Long.parseLong(of.get(2)), Short.parseShort(of.get(3)), Long.parseLong(of.get(4))); break;
            case "append": try (FSDataOutputStream out = fs.append(at)) { out.write(content(Integer.parseInt(of.get(1)), Long.parseLong(of.get(2)))); } break;
            case "truncate": fs.truncate(at, Long.parseLong(of.get(1))); break;
            case "delete": must(fs.delete(at, true)); break;
            case "rename": must(fs.rename(at, new Path(new URI(null, null, of.get(1), null)))); break;
            case "chmod": fs.setPermission(at, new FsPermission(Short.parseShort(of.get(1), 8))); break;
            case "chown": fs.setOwner(at, of.get(1), of.get(2)); break;
            case "setacl": fs.setAcl(at, AclEntry.parseAclSpec(of.get(1), true)); break;
            case "modacl": fs.modifyAclEntries(at, AclEntry.parseAclSpec(of.get(1), true)); break;
            case "removedefault": fs.removeDefaultAcl(at); break;
            case "removeacl": fs.removeAcl(at); break;
            case "setxattr": fs.setXAttr(at, of.get(1), of.get(2).getBytes(StandardCharsets.UTF_8), EnumSet.of(XAttrSetFlag.CREATE, XAttrSetFlag.REPLACE)); break;
            case "removexattr": fs.removeXAttr(at, of.get(1)); break;
            case "setrep": fs.setReplication(at, Short.parseShort(of.get(1))); break;
            case "times": fs.setTimes(at, Long.parseLong(of.get(1)), Long.parseLong(of.get(2))); break;
            case "quota": fs.setQuota(at, Long.parseLong(of.get(1)), Long.parseLong(of.get(2))); break;
            case "policy": fs.setStoragePolicy(at, of.get(1)); break;
            case "allow": fs.allowSnapshot(at); break;
            case "disallow": fs.disallowSnapshot(at); break;
            case "exists": return List.of(String.valueOf(fs.exists(at)));
            case "tell": return tell(at);
            default: throw new IllegalArgumentException(verb);
        }
        return List.of();
    }

    static void must(boolean done) {
        if (!done) throw new IllegalStateException("it was not done");
    }

    static byte[] content(int bytes, long seed) {
        byte[] content = new byte[bytes];
        new Random(seed).nextBytes(content);
        return content;
    }

    static void write(Path at, int bytes, long seed, short replication, long block) throws Exception {
        try (FSDataOutputStream out = fs.create(at, true, 4096, replication, block)) {
            out.write(content(bytes, seed));
        }
    }

    /** Every entry at and below a place: its path below it, and all that HDFS tells of it. */
    static List<String> tell(Path root) throws Exception {
        List<String> lines = new ArrayList<>();
        tell(root, ".", fs.getFileStatus(root), lines);
        Collections.sort(lines);
        return lines;
    }

    static void tell(Path path, String name, FileStatus status, List<String> lines) throws Exception {
        List<String> acl = new ArrayList<>();
        for (AclEntry entry : fs.getAclStatus(path).getEntries()) acl.add(entry.toString());
        Collections.sort(acl);
        Map<String, String> attributes = new TreeMap<>();
        for (Map.Entry<String, byte[]> one : fs.getXAttrs(path).entrySet()) {
            if (!one.getKey().startsWith("user.understudy.")) attributes.put(one.getKey(), Arrays.toString(one.getValue()));
        }
        lines.add(String.join(" | ", name, status.isDirectory() ? "d" : "f", String.valueOf(status.getLen()),
            String.format("%o", status.getPermission().toShort() & 07777), status.getOwner(), status.getGroup(), String.valueOf(status.getReplication()),
            String.valueOf(status.getBlockSize()), String.valueOf(status.getModificationTime()), acl.toString(), attributes.toString(),
            status.isDirectory() ? "" : digest(path)));
        if (!status.isDirectory()) return;
        for (FileStatus below : fs.listStatus(path)) {
            String last = below.getPath().getName();
            tell(below.getPath(), name.equals(".") ? last : name + "/" + last, below, lines);
        }
    }

    static String digest(Path path) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("MD5");
        try (FSDataInputStream in = fs.open(path)) {
            byte[] buffer = new byte[1 << 16];
            for (int read; (read = in.read(buffer)) > 0; ) digest.update(buffer, 0, read);
        }
        return java.util.HexFormat.of().formatHex(digest.digest());
    }
}
