// An HBase Java client for the tests: one command a line on standard input, one answer a line on standard output.
// Fields are separated by tabs and percent-encoded. An answer is "ok" with its fields, or "error" with the exception's class and text.
//
//   java -cp CONF:JARS tests/hadoop/Rows.java

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hbase.*;
import org.apache.hadoop.hbase.client.*;
import org.apache.hadoop.hbase.io.compress.Compression;
import org.apache.hadoop.hbase.io.encoding.DataBlockEncoding;
import org.apache.hadoop.hbase.io.hfile.HFile;
import org.apache.hadoop.hbase.io.hfile.HFileContextBuilder;
import org.apache.hadoop.hbase.quotas.QuotaSettingsFactory;
import org.apache.hadoop.hbase.quotas.ThrottleType;
import org.apache.hadoop.hbase.regionserver.BloomType;
import org.apache.hadoop.hbase.regionserver.HStoreFile;
import org.apache.hadoop.hbase.security.User;
import org.apache.hadoop.hbase.tool.BulkLoadHFiles;
import org.apache.hadoop.hbase.util.Bytes;
import org.apache.hadoop.security.UserGroupInformation;

public class Rows {
    static final PrintStream OUT = System.out;
    static Configuration conf;
    static Connection connection;

    public static void main(String[] args) throws Exception {
        System.setOut(System.err); // libraries may print; answers go to the real one
        conf = HBaseConfiguration.create();
        conf.setInt("hbase.client.retries.number", 12);
        conf.setInt("hbase.client.keyvalue.maxsize", 10 << 20);
        connection = ConnectionFactory.createConnection(conf);
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
        try (Admin admin = connection.getAdmin()) {
            boolean other = List.of("files", "touch", "remove", "namespace", "property", "tables").contains(verb);
            TableName table = other ? null : TableName.valueOf(of.get(0));
            switch (verb) {
                case "namespace": admin.createNamespace(NamespaceDescriptor.create(of.get(0)).build()); break;
                case "property": admin.modifyNamespace(NamespaceDescriptor.create(of.get(0)).addConfiguration(of.get(1), of.get(2)).build()); break;
                case "tables": return names(admin.listTableNamesByNamespace(of.get(0)));
                case "exists": return List.of(String.valueOf(admin.tableExists(table)));
                case "create": create(admin, table, of.get(1), of.get(2)); break;
                case "drop": if (admin.isTableEnabled(table)) admin.disableTable(table); admin.deleteTable(table); break;
                case "put": put(connection, table, of.get(1), of.get(2), of.get(3)); break;
                case "put-as": putAs(of.get(1), table, of.get(2), of.get(3), of.get(4)); break;
                case "delete": try (Table t = connection.getTable(table)) { t.delete(new Delete(Bytes.toBytes(of.get(1))).addFamily(Bytes.toBytes(of.get(2)))); } break;
                case "fill": fill(table, of.get(1), Integer.parseInt(of.get(2)), Integer.parseInt(of.get(3)), Integer.parseInt(of.get(4))); break;
                case "rows": return rows(table);
                case "families": return admin.getDescriptor(table).getColumnFamilyNames().stream().map(Bytes::toString).sorted().toList();
                case "digest": return digest(table);
                case "descriptor": return descriptor(admin.getDescriptor(table));
                case "regions": return regions(admin, table);
                case "files": return files(of.get(0));
                case "touch": FileSystem.get(conf).create(new Path(of.get(0))).close(); break;
                case "remove": if (!FileSystem.get(conf).delete(new Path(of.get(0)), false)) throw new java.io.FileNotFoundException(of.get(0)); break;
                case "snapshots": return snapshots(admin, of.get(0));
                case "clone": admin.cloneSnapshot(of.get(1), table); break;
                case "flush": flush(admin, table); break;
                case "compact": compact(admin, table); break;
                case "split": split(admin, table, of.get(1)); break;
                case "disable": admin.disableTable(table); break;
                case "enable": admin.enableTable(table); break;
                case "state": return List.of(admin.isTableDisabled(table) ? "disabled" : admin.isTableEnabled(table) ? "enabled" : "between");
                case "set": set(admin, table, of.get(1), of.get(2)); break;
                case "scope": scope(admin, table, of.get(1), Integer.parseInt(of.get(2))); break;
                case "throttle": admin.setQuota(QuotaSettingsFactory.throttleTable(table, ThrottleType.REQUEST_NUMBER, 100_000, TimeUnit.SECONDS)); break;
                case "bulk-load": bulkLoad(table, of.get(1), of.get(2), of.get(3)); break;
                case "put-file": putFile(admin, table, of.get(1), of.get(2), of.get(3)); break;
                case "coprocessor": coprocessor(admin, table, of.get(1), of.get(2)); break;
                case "no-jars": noJars(admin, table); break;
                case "odd": odd(admin, table, of.get(1)); break;
                case "drawn": drawn(admin, table, Long.parseLong(of.get(1))); break;
                case "alter": alter(admin, table, Long.parseLong(of.get(1))); break;
                case "odd-cells": oddCells(admin, table, Long.parseLong(of.get(1))); break;
                case "merge": merge(admin, table); break;
                case "truncate": if (admin.isTableEnabled(table)) admin.disableTable(table); admin.truncateTable(table, true); break;
                default: throw new IllegalArgumentException(verb);
            }
            return List.of();
        }
    }

    // FAMILIES: f,g,m:mob. SPLITS: keys separated by commas.
    static void create(Admin admin, TableName table, String families, String splits) throws Exception {
        TableDescriptorBuilder builder = TableDescriptorBuilder.newBuilder(table);
        for (String family : families.split(",")) {
            String[] parts = family.split(":");
            ColumnFamilyDescriptorBuilder own = ColumnFamilyDescriptorBuilder.newBuilder(Bytes.toBytes(parts[0])).setMaxVersions(3);
            if (parts.length > 1) own.setMobEnabled(true).setMobThreshold(1000);
            builder.setColumnFamily(own.build());
        }
        builder.setValue("OWNER_NOTE", "the shop's");
        if (splits.isEmpty()) admin.createTable(builder.build());
        else admin.createTable(builder.build(), Arrays.stream(splits.split(",")).map(Bytes::toBytes).toArray(byte[][]::new));
    }

    static void put(Connection as, TableName table, String row, String family, String value) throws Exception {
        try (Table t = as.getTable(table)) {
            t.put(new Put(Bytes.toBytes(row)).addColumn(Bytes.toBytes(family), Bytes.toBytes("q"), Bytes.toBytes(value)));
        }
    }

    static void putAs(String user, TableName table, String row, String family, String value) throws Exception {
        User other = User.create(UserGroupInformation.createRemoteUser(user));
        try (Connection own = ConnectionFactory.createConnection(conf, other)) {
            put(own, table, row, family, value);
        }
    }

    // Rows FROM.. COUNT of them, spread over the letters, BYTES of noise each, the same noise for the same numbers.
    static void fill(TableName table, String family, int from, int count, int bytes) throws Exception {
        try (Table t = connection.getTable(table)) {
            List<Put> puts = new ArrayList<>();
            long held = 0;
            for (int i = from; i < from + count; i++) {
                byte[] value = new byte[bytes];
                new Random(i).nextBytes(value);
                puts.add(new Put(Bytes.toBytes(String.format("%c%06d", 'a' + i % 26, i))).addColumn(Bytes.toBytes(family), Bytes.toBytes("q"), value));
                held += bytes;
                if (held > (1 << 20)) { t.put(puts); puts.clear(); held = 0; }
            }
            t.put(puts);
        }
    }

    // All versions of all cells, deletions past.
    static List<String> rows(TableName table) throws Exception {
        List<String> all = new ArrayList<>();
        try (Table t = connection.getTable(table); ResultScanner scanner = t.getScanner(new Scan().readAllVersions())) {
            for (Result result : scanner) for (Cell cell : result.rawCells()) {
                all.add(Bytes.toString(CellUtil.cloneRow(cell)));
                all.add(Bytes.toString(CellUtil.cloneFamily(cell)) + " " + cell.getTimestamp() + " " + Bytes.toString(CellUtil.cloneValue(cell)));
            }
        }
        return all;
    }

    static List<String> digest(TableName table) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        long cells = 0;
        Scan scan = new Scan().readAllVersions().setMaxResultSize(16 << 20).setCaching(100);
        try (Table t = connection.getTable(table); ResultScanner scanner = t.getScanner(scan)) {
            for (Result result : scanner) for (Cell cell : result.rawCells()) {
                cells++;
                digest.update(CellUtil.cloneRow(cell));
                digest.update(CellUtil.cloneFamily(cell));
                digest.update(CellUtil.cloneQualifier(cell));
                digest.update(Bytes.toBytes(cell.getTimestamp()));
                digest.update(CellUtil.cloneValue(cell));
            }
        }
        return List.of(String.valueOf(cells), Bytes.toHex(digest.digest()));
    }

    static List<String> descriptor(TableDescriptor table) {
        List<String> all = new ArrayList<>();
        Map<String, String> values = new TreeMap<>();
        table.getValues().forEach((key, value) -> values.put(key.toString(), value.toString()));
        values.forEach((key, value) -> all.add(key + "=" + value));
        for (ColumnFamilyDescriptor family : table.getColumnFamilies()) all.add("family " + family);
        return all;
    }

    static List<String> regions(Admin admin, TableName table) throws Exception {
        List<String> all = new ArrayList<>();
        for (RegionInfo region : admin.getRegions(table)) all.add(Bytes.toStringBinary(region.getStartKey()));
        return all;
    }

    static List<String> names(TableName[] tables) {
        return Arrays.stream(tables).map(TableName::getNameWithNamespaceInclAsString).sorted().toList();
    }

    // Files below a directory of HDFS: path and length, one after the other. HBase's cleaner may take directories away meanwhile: then anew.
    static List<String> files(String root) throws Exception {
        FileSystem fs = FileSystem.get(conf);
        for (int tries = 0; tries < 20 && fs.exists(new Path(root)); tries++) {
            List<String> all = new ArrayList<>();
            try {
                for (var found = fs.listFiles(new Path(root), true); found.hasNext(); ) {
                    var status = found.next();
                    all.add(status.getPath().toUri().getPath());
                    all.add(String.valueOf(status.getLen()));
                }
                return all;
            } catch (java.io.FileNotFoundException gone) {
                Thread.sleep(50);
            }
        }
        return List.of();
    }

    // Names of a table's snapshots, oldest first.
    static List<String> snapshots(Admin admin, String table) throws Exception {
        TableName name = TableName.valueOf(table);
        return admin.listSnapshots().stream().filter(snapshot -> snapshot.getTableName().equals(name))
            .map(SnapshotDescription::getName).sorted().toList();
    }

    // HBase 2.6.1 tries for ever to flush a read-only table, and holds the table's lock meanwhile.
    static void flush(Admin admin, TableName table) throws Exception {
        if (admin.getDescriptor(table).isReadOnly()) throw new IllegalStateException("it is read-only");
        admin.flush(table);
    }

    static void compact(Admin admin, TableName table) throws Exception {
        flush(admin, table);
        admin.majorCompact(table);
        Thread.sleep(300); // the request is taken up by and by
        while (admin.getCompactionState(table) != CompactionState.NONE) Thread.sleep(50);
    }

    // One attribute of a table; an empty value takes it away.
    static void set(Admin admin, TableName table, String key, String value) throws Exception {
        TableDescriptorBuilder builder = TableDescriptorBuilder.newBuilder(admin.getDescriptor(table));
        admin.modifyTable((value.isEmpty() ? builder.removeValue(Bytes.toBytes(key)) : builder.setValue(key, value)).build());
    }

    static void scope(Admin admin, TableName table, String family, int scope) throws Exception {
        TableDescriptor now = admin.getDescriptor(table);
        ColumnFamilyDescriptor own = ColumnFamilyDescriptorBuilder.newBuilder(now.getColumnFamily(Bytes.toBytes(family))).setScope(scope).build();
        admin.modifyTable(TableDescriptorBuilder.newBuilder(now).modifyColumnFamily(own).build());
    }

    static void writeHFile(FileSystem fs, Path at, String family, String row, String value) throws Exception {
        try (HFile.Writer writer = HFile.getWriterFactoryNoCache(conf).withPath(fs, at).withFileContext(new HFileContextBuilder().build()).create()) {
            writer.append(new KeyValue(Bytes.toBytes(row), Bytes.toBytes(family), Bytes.toBytes("q"), System.currentTimeMillis(), Bytes.toBytes(value)));
            writer.appendFileInfo(HStoreFile.BULKLOAD_TIME_KEY, Bytes.toBytes(System.currentTimeMillis()));
        }
    }

    // One row in one HFile, loaded as everybody loads them.
    static void bulkLoad(TableName table, String family, String row, String value) throws Exception {
        FileSystem fs = FileSystem.get(conf);
        Path made = new Path("/tmp/bulk-load-" + UUID.randomUUID());
        writeHFile(fs, new Path(made, family + "/" + UUID.randomUUID().toString().replace("-", "")), family, row, value);
        BulkLoadHFiles.create(conf).bulkLoad(table, made);
        fs.delete(made, true);
    }

    // The same put into the directory of the table's first region by its path, past HBase.
    static void putFile(Admin admin, TableName table, String family, String row, String value) throws Exception {
        String region = admin.getRegions(table).get(0).getEncodedName();
        Path directory = new Path("/hbase/data/" + table.getNamespaceAsString() + "/" + table.getQualifierAsString() + "/" + region + "/" + family);
        writeHFile(FileSystem.get(conf), new Path(directory, UUID.randomUUID().toString().replace("-", "")), family, row, value);
    }

    // A coprocessor of the table's own, with a jar in HDFS that holds nothing: the class itself is the server's.
    static void coprocessor(Admin admin, TableName table, String jar, String name) throws Exception {
        FileSystem fs = FileSystem.get(conf);
        try (var jars = new java.util.jar.JarOutputStream(fs.create(new Path(jar)), new java.util.jar.Manifest())) { jars.flush(); }
        CoprocessorDescriptor own = CoprocessorDescriptorBuilder.newBuilder(name).setJarPath(fs.makeQualified(new Path(jar)).toString()).setPriority(1001).build();
        admin.modifyTable(TableDescriptorBuilder.newBuilder(admin.getDescriptor(table)).setCoprocessor(own).build());
    }

    static void noJars(Admin admin, TableName table) throws Exception {
        TableDescriptor now = admin.getDescriptor(table);
        TableDescriptorBuilder builder = TableDescriptorBuilder.newBuilder(now);
        now.getCoprocessorDescriptors().stream().filter(own -> own.getJarPath().isPresent()).forEach(own -> builder.removeCoprocessor(own.getClassName()));
        admin.modifyTable(builder.build());
    }

    // A table whose every setting is another than usual, and which keeps its list of store files in this way.
    static void odd(Admin admin, TableName table, String tracker) throws Exception {
        ColumnFamilyDescriptor f = ColumnFamilyDescriptorBuilder.newBuilder(Bytes.toBytes("f")).setMaxVersions(7).setMinVersions(2).setTimeToLive(86_400_000)
            .setBlocksize(8192).setBloomFilterType(BloomType.ROWCOL).setCompressionType(Compression.Algorithm.GZ).setDataBlockEncoding(DataBlockEncoding.FAST_DIFF)
            .setInMemory(true).setBlockCacheEnabled(false).setKeepDeletedCells(KeepDeletedCells.TTL).setScope(1).setCacheBloomsOnWrite(true).setDFSReplication((short) 1)
            .setStoragePolicy("HOT").setNewVersionBehavior(false).setConfiguration("hbase.hstore.blockingStoreFiles", "33").setValue("NOTE", "発票").build();
        ColumnFamilyDescriptor m = ColumnFamilyDescriptorBuilder.newBuilder(Bytes.toBytes("m")).setMobEnabled(true).setMobThreshold(100)
            .setMobCompactPartitionPolicy(MobCompactPartitionPolicy.WEEKLY).build();
        TableDescriptorBuilder builder = TableDescriptorBuilder.newBuilder(table).setColumnFamily(f).setColumnFamily(m).setMaxFileSize(1L << 30)
            .setMemStoreFlushSize(64L << 20).setDurability(Durability.SYNC_WAL).setPriority(200).setNormalizationEnabled(true).setCompactionEnabled(true)
            .setSplitEnabled(false).setMergeEnabled(false).setRegionReplication(1).setRegionSplitPolicyClassName("org.apache.hadoop.hbase.regionserver.DisabledRegionSplitPolicy")
            .setCoprocessor("org.apache.hadoop.hbase.coprocessor.MultiRowMutationEndpoint").setValue("OWNER_NOTE", "the shop's");
        if (!tracker.isEmpty()) builder.setValue("hbase.store.file-tracker.impl", tracker);
        admin.createTable(builder.build(), new byte[][] {{0}, Bytes.toBytes("k"), {(byte) 200, (byte) 0xff}});
    }

    static void split(Admin admin, TableName table, String at) throws Exception {
        int before = admin.getRegions(table).size();
        admin.split(table, Bytes.toBytes(at));
        for (int i = 0; admin.getRegions(table).size() <= before; i++) {
            if (i == 400) throw new IllegalStateException("nothing was split");
            Thread.sleep(50);
        }
    }

    static final String[] FAMILIES = {"f", "0", "Fam_x", "a.b-c", "発票", "with space", "%41", "x=y"};

    static <T> T one(Random draw, T[] of) {
        return of[draw.nextInt(of.length)];
    }

    static ColumnFamilyDescriptor drawnFamily(Random draw, String name) {
        ColumnFamilyDescriptorBuilder family = ColumnFamilyDescriptorBuilder.newBuilder(Bytes.toBytes(name));
        family.setMaxVersions(1 + draw.nextInt(5)).setTimeToLive(draw.nextBoolean() ? HConstants.FOREVER : 90 * 86_400);
        if (draw.nextInt(3) == 0) family.setKeepDeletedCells(one(draw, KeepDeletedCells.values()));
        if (draw.nextInt(3) == 0) family.setBlocksize(1024 << draw.nextInt(8));
        if (draw.nextInt(2) == 0) family.setCompressionType(Compression.Algorithm.GZ);
        if (draw.nextInt(2) == 0) family.setDataBlockEncoding(one(draw, DataBlockEncoding.values()));
        if (draw.nextInt(4) == 0) family.setBloomFilterType(one(draw, new BloomType[] {BloomType.NONE, BloomType.ROW, BloomType.ROWCOL}));
        if (draw.nextInt(6) == 0) family.setBloomFilterType(BloomType.ROWPREFIX_FIXED_LENGTH).setConfiguration("RowPrefixBloomFilter.prefix_length", "2");
        if (draw.nextInt(4) == 0) family.setMobEnabled(true).setMobThreshold(draw.nextInt(3) * 50L);
        if (draw.nextInt(6) == 0) family.setNewVersionBehavior(true);
        if (draw.nextInt(6) == 0) family.setInMemory(true).setBlockCacheEnabled(draw.nextBoolean());
        if (draw.nextInt(6) == 0) family.setScope(1);
        if (draw.nextInt(6) == 0) family.setStoragePolicy(one(draw, new String[] {"HOT", "COLD", "ALL_SSD"}));
        if (draw.nextInt(6) == 0) family.setDFSReplication((short) 1);
        if (draw.nextInt(6) == 0) family.setValue("NOTE", one(draw, new String[] {"発票", "", "a\tb\n", "{x => 'y'}"}));
        if (draw.nextInt(6) == 0) family.setConfiguration("hbase.hstore.engine.class", "org.apache.hadoop.hbase.regionserver.DateTieredStoreEngine");
        return family.build();
    }

    // A table of a seed: families, settings and boundaries as odd as HBase lets them be.
    static void drawn(Admin admin, TableName table, long seed) throws Exception {
        Random draw = new Random(seed);
        TableDescriptorBuilder builder = TableDescriptorBuilder.newBuilder(table);
        int first = draw.nextInt(FAMILIES.length), count = 1 + draw.nextInt(3);
        for (int i = 0; i < count; i++) builder.setColumnFamily(drawnFamily(draw, FAMILIES[(first + i) % FAMILIES.length]));
        if (draw.nextInt(3) == 0) builder.setDurability(one(draw, Durability.values()));
        if (draw.nextInt(3) == 0) builder.setMaxFileSize(1L << 30).setMemStoreFlushSize(64L << 20);
        if (draw.nextInt(4) == 0) builder.setRegionReplication(2);
        if (draw.nextInt(4) == 0) builder.setCompactionEnabled(false);
        if (draw.nextInt(4) == 0) builder.setSplitEnabled(false).setMergeEnabled(false);
        if (draw.nextInt(4) == 0) builder.setNormalizationEnabled(true).setPriority(7);
        if (draw.nextInt(4) == 0) builder.setCoprocessor("org.apache.hadoop.hbase.coprocessor.MultiRowMutationEndpoint");
        if (draw.nextInt(3) == 0) builder.setValue("hbase.store.file-tracker.impl", one(draw, new String[] {"FILE", "DEFAULT"}));
        if (draw.nextInt(3) == 0) builder.setValue("OWNER_NOTE", one(draw, new String[] {"the shop's", "大阪", "", "a=b,c"}));
        byte[][] splits = {{0}, {1, 0}, Bytes.toBytes("c"), Bytes.toBytes("m"), Bytes.toBytes("大"), {(byte) 0xff}, {(byte) 0xff, (byte) 0xff}};
        byte[][] own = Arrays.stream(splits).filter(key -> draw.nextInt(3) == 0).toArray(byte[][]::new);
        if (own.length == 0) admin.createTable(builder.build());
        else admin.createTable(builder.build(), own);
    }

    // A family more, one fewer, or one with other settings.
    static void alter(Admin admin, TableName table, long seed) throws Exception {
        Random draw = new Random(seed);
        TableDescriptor now = admin.getDescriptor(table);
        TableDescriptorBuilder builder = TableDescriptorBuilder.newBuilder(now);
        String name = one(draw, FAMILIES);
        boolean there = now.hasColumnFamily(Bytes.toBytes(name));
        if (!there) {
            builder.setColumnFamily(drawnFamily(draw, name));
        } else if (now.getColumnFamilyCount() > 1 && draw.nextBoolean()) {
            builder.removeColumnFamily(Bytes.toBytes(name));
        } else {
            builder.modifyColumnFamily(drawnFamily(draw, name));
        }
        if (draw.nextInt(4) == 0) builder.setMaxFileSize(2L << 30);
        admin.modifyTable(builder.build());
    }

    // Rows, qualifiers, values and times of every kind, and deletions of every sort.
    static void oddCells(Admin admin, TableName table, long seed) throws Exception {
        Random draw = new Random(seed);
        byte[][] rows = {{0}, {(byte) 0xff, (byte) 0xff, 1}, Bytes.toBytes("c"), Bytes.toBytes("大 阪"), Bytes.toBytes("%00/../x"), new byte[900]};
        byte[][] qualifiers = {{}, {0}, Bytes.toBytes("q"), Bytes.toBytes("列:x"), new byte[300]};
        long now = System.currentTimeMillis();
        long[] times = {1, now - 5_000, now - 1, now + 3_600_000, Long.MAX_VALUE - 1};
        try (Table t = connection.getTable(table)) {
            ColumnFamilyDescriptor[] families = t.getDescriptor().getColumnFamilies();
            for (int i = 0; i < 40; i++) {
                byte[] row = one(draw, rows), qualifier = one(draw, qualifiers), family = one(draw, families).getName();
                long time = times[draw.nextInt(times.length)];
                byte[] value = new byte[draw.nextInt(5) == 0 ? 0 : draw.nextInt(400)];
                draw.nextBytes(value);
                switch (draw.nextInt(8)) {
                    case 0: t.delete(new Delete(row).addFamily(family, now - 2)); break;
                    case 1: t.delete(new Delete(row).addColumns(family, qualifier, now - 2)); break;
                    case 2: t.delete(new Delete(row).addColumn(family, qualifier, time)); break;
                    case 3: t.increment(new Increment(Bytes.toBytes("count")).addColumn(family, Bytes.toBytes("n"), 1)); break;
                    default: t.put(new Put(row).addColumn(family, qualifier, time, value));
                }
            }
        }
    }

    // The first two regions become one.
    static void merge(Admin admin, TableName table) throws Exception {
        List<RegionInfo> all = admin.getRegions(table);
        if (all.size() > 1) admin.mergeRegionsAsync(new byte[][] {all.get(0).getEncodedNameAsBytes(), all.get(1).getEncodedNameAsBytes()}, false).get();
    }
}
