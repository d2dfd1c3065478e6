import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hive.metastore.HiveMetaStoreClient;
import org.apache.hadoop.hive.metastore.Warehouse;
import org.apache.hadoop.hive.metastore.api.*;
import org.apache.hadoop.hive.metastore.conf.MetastoreConf;
import org.apache.hadoop.security.UserGroupInformation;
import org.apache.thrift.TBase;
import org.apache.thrift.TFieldIdEnum;

/**
 * What the tests say to a Hive metastore and hear from it, by Apache's own client and by nothing of ours.
 *
 * <p>One command a line, its words apart by tabs; one answer a line, "ok " or "error " first. Started as
 * `cluster.py run CLUSTER hive-judge`.
 */
public class HiveJudge {
  private final Configuration conf = MetastoreConf.newMetastoreConf();
  private final Map<String, HiveMetaStoreClient> clients = new HashMap<>();

  public static void main(String[] args) throws Exception {
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream out = new PrintStream(System.out, true, "UTF-8");
    // Whatever else is printed, logs above all, is no answer.
    System.setOut(System.err);
    HiveJudge judge = new HiveJudge();
    out.println("ok ready");
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split("\t", -1);
      try {
        out.println("ok " + judge.answer(words));
      } catch (Exception e) {
        String why = String.valueOf(e.getMessage()).replace('\n', ' ');
        if (e instanceof org.apache.thrift.transport.TTransportException) {
          judge.clients.clear(); // the server went: the next command asks anew
        }
        out.println("error " + e.getClass().getSimpleName() + ": " + why);
      }
    }
  }

  /** A client as the process's user, or as somebody else. */
  private HiveMetaStoreClient client(String user) throws Exception {
    HiveMetaStoreClient known = clients.get(user);
    if (known == null) {
      PrivilegedExceptionAction<HiveMetaStoreClient> open = () -> new HiveMetaStoreClient(conf);
      known = user.isEmpty() ? open.run() : UserGroupInformation.createRemoteUser(user).doAs(open);
      clients.put(user, known);
    }
    return known;
  }

  private String answer(String[] w) throws Exception {
    HiveMetaStoreClient hive = client("");
    switch (w[0]) {
      case "create-database": { // name, location or empty
        Database database = new Database(w[1], "for tests", w[2].isEmpty() ? null : w[2], map("purpose", "tests"));
        hive.createDatabase(database);
        return "";
      }
      case "drop-database":
        hive.dropDatabase(w[1], true, true, true);
        return "";
      case "create-items": // database, table: what the contract keeps its items in
        hive.createTable(table(w[1], w[2], "MANAGED_TABLE", null, columns("content", "string"), columns("name", "string")));
        return "";
      case "create-orders": // database, table: partitioned as "add-partitions" has it
        hive.createTable(table(w[1], w[2], "MANAGED_TABLE", null, columns("id", "int", "customer", "int"), columns("day", "int", "place", "string")));
        return "";
      case "add-partition": { // database, table, location or empty, values
        Table table = hive.getTable(w[1], w[2]);
        hive.add_partition(partition(table, w[3], Arrays.copyOfRange(w, 4, w.length)));
        return "";
      }
      case "add-partitions": { // database, table, from, to: day=d and a name of many letters
        Table table = hive.getTable(w[1], w[2]);
        List<Partition> many = new ArrayList<>();
        for (int n = Integer.parseInt(w[3]); n < Integer.parseInt(w[4]); n++) {
          many.add(partition(table, "", String.valueOf(n), n % 3 == 0 ? "大 阪/" + n : "place " + n + "%:"));
          if (many.size() == 500) {
            hive.add_partitions(many);
            many = new ArrayList<>();
          }
        }
        hive.add_partitions(many);
        return "";
      }
      case "drop-partition":
        hive.dropPartition(w[1], w[2], Arrays.asList(w).subList(3, w.length), true);
        return "";
      case "rename-partition": { // database, table, old value, new value
        Partition moved = hive.getPartition(w[1], w[2], Arrays.asList(w[3]));
        moved.setValues(Arrays.asList(w[4]));
        hive.renamePartition(w[1], w[2], Arrays.asList(w[3]), moved);
        return "";
      }
      case "set-partition-parameter": { // database, table, name, value, partition values
        Partition part = hive.getPartition(w[1], w[2], Arrays.asList(w).subList(5, w.length));
        part.putToParameters(w[3], w[4]);
        hive.alter_partition(w[1], w[2], part, null);
        return "";
      }
      case "tables": // database
        return String.join(",", hive.getAllTables(w[1]));
      case "partitions": // database, table
        return String.join(",", hive.listPartitionNames(w[1], w[2], (short) -1));
      case "has-partition":
        return String.valueOf(hive.listPartitionNames(w[1], w[2], (short) -1).contains(w[3]));
      case "set-parameter": { // database, table, name, value
        Table table = hive.getTable(w[1], w[2]);
        table.putToParameters(w[3], w[4]);
        hive.alter_table(w[1], w[2], table);
        return "";
      }
      case "add-column": { // database, table, name, type
        Table table = hive.getTable(w[1], w[2]);
        table.getSd().addToCols(new FieldSchema(w[3], w[4], "added"));
        hive.alter_table(w[1], w[2], table);
        return "";
      }
      case "retype-column": { // database, table, name, type: as "drop the table and make it anew" does, data left alone
        Table table = hive.getTable(w[1], w[2]);
        hive.dropTable(w[1], w[2], false, true);
        table.getSd().getCols().stream().filter(c -> c.getName().equals(w[3])).forEach(c -> c.setType(w[4]));
        hive.createTable(table);
        return "";
      }
      case "rename-table": {
        Table table = hive.getTable(w[1], w[2]);
        table.setTableName(w[3]);
        hive.alter_table(w[1], w[2], table);
        return "";
      }
      case "create-spark": { // database, table, location, path: as Spark makes what it reads itself
        Table table = table(w[1], w[2], "EXTERNAL_TABLE", w[3], columns("a", "int"), columns());
        table.putToParameters("spark.sql.sources.provider", "parquet");
        table.putToParameters("spark.sql.partitionProvider", "catalog");
        table.getSd().getSerdeInfo().putToParameters("path", w[4]);
        hive.createTable(table);
        return "";
      }
      case "set-serde-parameter": { // database, table, name, value
        Table table = hive.getTable(w[1], w[2]);
        table.getSd().getSerdeInfo().putToParameters(w[3], w[4]);
        hive.alter_table(w[1], w[2], table);
        return "";
      }
      case "serde-parameter": // database, table, name
        return String.valueOf(hive.getTable(w[1], w[2]).getSd().getSerdeInfo().getParameters().get(w[3]));
      case "parameter": // database, table, name
        return String.valueOf(hive.getTable(w[1], w[2]).getParameters().get(w[3]));
      case "set-input-format": { // database, table, class
        Table table = hive.getTable(w[1], w[2]);
        table.getSd().setInputFormat(w[3]);
        hive.alter_table(w[1], w[2], table);
        return "";
      }
      case "create-function": // database, name, address of its jar
        hive.createFunction(new Function(w[2], w[1], "org.example.F", "ana", PrincipalType.USER, 0, FunctionType.JAVA,
            Arrays.asList(new ResourceUri(ResourceType.JAR, w[3]))));
        return "";
      case "create-partitioned-view": { // database, view, text
        Table view = table(w[1], w[2], "VIRTUAL_VIEW", null, columns("content", "string"), columns("name", "string"));
        view.setViewOriginalText(w[3]);
        view.setViewExpandedText(w[3]);
        hive.createTable(view);
        return "";
      }
      case "partition-statistics": // database, table, name of the partition, column
        hive.updatePartitionColumnStatistics(statistics(w[1], w[2], w[3], w[4], 7));
        return "";
      case "drop-table":
        hive.dropTable(w[1], w[2], true, true);
        return "";
      case "create-table-as": // user, database, table
        client(w[1]).createTable(table(w[2], w[3], "MANAGED_TABLE", null, columns("a", "int"), columns()));
        return "";
      case "create-transactional": { // database, table
        Table table = table(w[1], w[2], "MANAGED_TABLE", null, columns("a", "int"), columns());
        table.putToParameters("transactional", "true");
        table.putToParameters("transactional_properties", "insert_only");
        hive.createTable(table);
        return "";
      }
      case "create-external": // database, table, location
        hive.createTable(table(w[1], w[2], "EXTERNAL_TABLE", w[3], columns("a", "int"), columns()));
        return "";
      case "fixture": // database, directory for what lies outside
        fixture(hive, w[1], w[2]);
        return "";
      case "describe": // database, then what to replace and by what
        return describe(hive, w[1], Arrays.copyOfRange(w, 2, w.length));
      case "event-id":
        return String.valueOf(hive.getCurrentNotificationEventId().getEventId());
      default:
        throw new IllegalArgumentException("no such command: " + w[0]);
    }
  }

  // ---- making

  private static Map<String, String> map(String... pairs) {
    Map<String, String> map = new HashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      map.put(pairs[i], pairs[i + 1]);
    }
    return map;
  }

  private static List<FieldSchema> columns(String... pairs) {
    List<FieldSchema> all = new ArrayList<>();
    for (int i = 0; i < pairs.length; i += 2) {
      all.add(new FieldSchema(pairs[i], pairs[i + 1], "column " + pairs[i] + " 列"));
    }
    return all;
  }

  private static StorageDescriptor storage(String location, List<FieldSchema> columns) {
    SerDeInfo serde = new SerDeInfo("lazy", "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", map("field.delim", "\u0001", "serialization.format", "1"));
    return new StorageDescriptor(columns, location, "org.apache.hadoop.mapred.TextInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat", false, -1, serde, new ArrayList<>(), new ArrayList<>(), map());
  }

  private static Table table(String database, String name, String type, String location, List<FieldSchema> columns, List<FieldSchema> keys) {
    Table table = new Table(name, database, "ana", 0, 0, 0, storage(location, columns), keys, map("comment", "表 \"" + name + "\""), null, null, type);
    if (type.equals("EXTERNAL_TABLE")) {
      table.putToParameters("EXTERNAL", "TRUE");
      table.putToParameters("external.table.purge", "false");
    }
    return table;
  }

  private static Partition partition(Table table, String location, String... values) {
    StorageDescriptor storage = table.getSd().deepCopy();
    storage.setLocation(location.isEmpty() ? null : location);
    return new Partition(Arrays.asList(values), table.getDbName(), table.getTableName(), 0, 0, storage, map("made", "by a test"));
  }

  /** One of everything. */
  private static void fixture(HiveMetaStoreClient hive, String database, String outside) throws Exception {
    List<FieldSchema> every = columns("c_tinyint", "tinyint", "c_smallint", "smallint", "c_int", "int", "c_bigint", "bigint", "c_float", "float",
        "c_double", "double", "c_decimal", "decimal(38,10)", "c_string", "string", "c_varchar", "varchar(20)", "c_char", "char(7)", "c_boolean",
        "boolean", "c_binary", "binary", "c_date", "date", "c_timestamp", "timestamp", "c_tz", "timestamp with local time zone", "c_array",
        "array<map<string,int>>", "c_map", "map<string,array<double>>", "c_struct", "struct<a:int,b:struct<c:string>>", "c_union",
        "uniontype<int,string>");
    Table types = table(database, "types", "MANAGED_TABLE", null, every, columns());
    types.getSd().setBucketCols(Arrays.asList("c_int"));
    types.getSd().setNumBuckets(4);
    types.getSd().setSortCols(Arrays.asList(new Order("c_string", 1)));
    hive.createTable(types);

    Table customers = table(database, "customers", "MANAGED_TABLE", null, columns("id", "int", "mail", "string", "age", "int"), columns());
    String catalog = "hive";
    SQLPrimaryKey pk = new SQLPrimaryKey(database, "customers", "id", 1, "pk_" + database, false, false, true);
    SQLUniqueConstraint uk = new SQLUniqueConstraint(catalog, database, "customers", "mail", 1, "uk_" + database, false, false, true);
    SQLNotNullConstraint nn = new SQLNotNullConstraint(catalog, database, "customers", "mail", "nn_" + database, true, false, true);
    SQLDefaultConstraint dc = new SQLDefaultConstraint(catalog, database, "customers", "age", "18", "dc_" + database, true, false, true);
    SQLCheckConstraint cc = new SQLCheckConstraint(catalog, database, "customers", "age", "age > 0", "cc_" + database, true, false, true);
    hive.createTableWithConstraints(customers, Arrays.asList(pk), null, Arrays.asList(uk), Arrays.asList(nn), Arrays.asList(dc), Arrays.asList(cc));

    Table orders = table(database, "orders", "MANAGED_TABLE", null, columns("id", "int", "customer", "int"), columns("day", "int", "place", "string"));
    SQLForeignKey fk = new SQLForeignKey(database, "customers", "id", database, "orders", "customer", 1, 0, 0, "fk_" + database, "pk_" + database, false, false, true);
    hive.createTableWithConstraints(orders, null, Arrays.asList(fk), null, null, null, null);
    hive.add_partition(partition(orders, "", "1", "a/b c"));
    hive.add_partition(partition(orders, outside + "/orders of day 2", "2", "大阪"));

    Table logs = table(database, "logs", "EXTERNAL_TABLE", outside + "/logs", columns("line", "string"), columns());
    logs.putToParameters("avro.schema.url", outside + "/logs.avsc");
    logs.getSd().getSerdeInfo().putToParameters("path", outside + "/logs");
    SkewedInfo skew = new SkewedInfo(Arrays.asList("line"), Arrays.asList(Arrays.asList("x")), new HashMap<>());
    skew.putToSkewedColValueLocationMaps(Arrays.asList("x"), outside + "/logs/line=x");
    logs.getSd().setSkewedInfo(skew);
    hive.createTable(logs);

    Table view = table(database, "late_orders", "VIRTUAL_VIEW", null, columns("id", "int"), columns());
    view.setViewOriginalText("select id from " + database + ".orders where day > 1");
    view.setViewExpandedText("select `orders`.`id` from `" + database + "`.`orders` where `day` > 1");
    hive.createTable(view);

    hive.createFunction(new Function("shout", database, "org.example.Shout", "ana", PrincipalType.USER, 0, FunctionType.JAVA,
        Arrays.asList(new ResourceUri(ResourceType.JAR, outside + "/shout.jar"))));

    hive.updateTableColumnStatistics(statistics(database, "customers", null, "id", 3));
    hive.updatePartitionColumnStatistics(statistics(database, "orders", "day=1/place=a%2Fb c", "id", 7));
  }

  private static ColumnStatistics statistics(String database, String table, String partition, String column, long distinct) {
    LongColumnStatsData data = new LongColumnStatsData(1, distinct);
    data.setLowValue(1);
    data.setHighValue(99);
    ColumnStatisticsDesc about = new ColumnStatisticsDesc(partition == null, database, table);
    about.setPartName(partition);
    return new ColumnStatistics(about, new ArrayList<>(Arrays.asList(new ColumnStatisticsObj(column, "int", ColumnStatisticsData.longStats(data)))));
  }

  // ---- telling

  /** Everything of a database, a JSON object from object names to texts. Less what a metastore sets itself when it makes something. */
  private static String describe(HiveMetaStoreClient hive, String name, String[] replace) throws Exception {
    Map<String, String> all = new TreeMap<>();
    Database database;
    try {
      database = hive.getDatabase(name);
    } catch (NoSuchObjectException e) {
      return "{}";
    }
    forget(database.getParameters());
    all.put("database", told(database));
    for (String function : hive.getFunctions(name, "*")) {
      Function found = hive.getFunction(name, function);
      found.setCreateTime(0);
      all.put("function " + function, told(found));
    }
    for (String tableName : hive.getAllTables(name)) {
      Table table = hive.getTable(name, tableName);
      table.setCreateTime(0);
      forget(table.getParameters());
      List<Object> whole = new ArrayList<>(Arrays.asList(table));
      whole.add(hive.getPrimaryKeys(new PrimaryKeysRequest(name, tableName)));
      ForeignKeysRequest keys = new ForeignKeysRequest(null, null, name, tableName);
      whole.add(hive.getForeignKeys(keys));
      whole.add(hive.getUniqueConstraints(new UniqueConstraintsRequest("hive", name, tableName)));
      whole.add(hive.getNotNullConstraints(new NotNullConstraintsRequest("hive", name, tableName)));
      whole.add(hive.getDefaultConstraints(new DefaultConstraintsRequest("hive", name, tableName)));
      whole.add(hive.getCheckConstraints(new CheckConstraintsRequest("hive", name, tableName)));
      boolean view = table.getTableType().equals("VIRTUAL_VIEW");
      List<String> columns = new ArrayList<>();
      table.getSd().getCols().forEach(column -> columns.add(column.getName()));
      if (!view && table.getPartitionKeysSize() == 0) {
        whole.add(hive.getTableColumnStatistics(name, tableName, columns));
      }
      all.put("table " + tableName, told(whole));
      if (table.getPartitionKeysSize() > 0) {
        List<String> names = hive.listPartitionNames(name, tableName, (short) -1);
        Map<String, List<ColumnStatisticsObj>> statistics =
            view ? new HashMap<>() : hive.getPartitionColumnStatistics(name, tableName, names, columns);
        for (int at = 0; at < names.size(); at += 500) {
          List<String> some = names.subList(at, Math.min(names.size(), at + 500));
          Map<List<String>, String> nameOf = new HashMap<>();
          for (String one : some) {
            List<String> values = new ArrayList<>(Warehouse.getPartValuesFromPartName(one));
            values.replaceAll(value -> value.equals("__HIVE_DEFAULT_PARTITION__") ? "" : value); // how the empty value is named
            nameOf.put(values, one);
          }
          for (Partition part : hive.getPartitionsByNames(name, tableName, some)) {
            List<ColumnStatisticsObj> own = statistics.getOrDefault(nameOf.get(part.getValues()), new ArrayList<>());
            all.put("partition " + tableName + " " + part.getValues(), told(Arrays.asList(part, own)));
          }
        }
      }
    }
    StringBuilder json = new StringBuilder("{");
    for (Map.Entry<String, String> one : all.entrySet()) {
      String text = one.getValue();
      for (int i = 0; i + 1 < replace.length; i += 2) {
        text = text.replace(replace[i], replace[i + 1]);
      }
      json.append(json.length() > 1 ? "," : "").append(quoted(one.getKey())).append(":").append(quoted(text));
    }
    return json.append("}").toString();
  }

  /** Our own parameters are compared by nobody. */
  private static void forget(Map<String, String> parameters) {
    if (parameters != null) {
      parameters.keySet().removeIf(key -> key.startsWith("understudy."));
    }
  }

  /** Any value of Thrift's in one text, equal for equal values. */
  private static String told(Object value) throws Exception {
    if (value instanceof TBase) {
      Map<?, ?> fields = (Map<?, ?>) value.getClass().getField("metaDataMap").get(null);
      Map<String, String> told = new TreeMap<>();
      for (Object field : fields.keySet()) {
        told.put(((TFieldIdEnum) field).getFieldName(), field(value, (TFieldIdEnum) field));
      }
      told.values().removeIf(text -> text == null);
      return value.getClass().getSimpleName() + told;
    } else if (value instanceof Map) {
      Map<String, String> told = new TreeMap<>();
      for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
        told.put(told(entry.getKey()), told(entry.getValue()));
      }
      return told.toString();
    } else if (value instanceof Collection) {
      Collection<String> told = value instanceof Set ? new TreeSet<>() : new ArrayList<>();
      for (Object item : (Collection<?>) value) {
        told.add(told(item));
      }
      return told.toString();
    } else if (value instanceof ByteBuffer) {
      return Arrays.toString(((ByteBuffer) value).array());
    } else if (value instanceof byte[]) {
      return Arrays.toString((byte[]) value);
    }
    return String.valueOf(value);
  }

  @SuppressWarnings({"unchecked", "rawtypes"})
  private static String field(Object value, TFieldIdEnum field) throws Exception {
    TBase base = (TBase) value;
    return base.isSet(field) ? told(base.getFieldValue(field)) : null;
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < 0x20) {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    return out.append('"').toString();
  }
}
