#include "postgres_builtin.h"

#include <stddef.h>

#define PLAIN(oid, form, kind, name, catalog)                                  \
  {                                                                            \
    {oid, PG_FORM_##form, COVET_##kind, name, 0, ',', 0, NULL}, catalog        \
  }
#define DELIMITED(oid, element, delimiter, name, catalog)                      \
  {                                                                            \
    {oid, PG_FORM_ARRAY, COVET_ARRAY, name, element, delimiter, 0, NULL},      \
        catalog                                                                \
  }
#define ARRAY(oid, element, name, catalog)                                     \
  DELIMITED(oid, element, ',', name, catalog)
#define RANGE(oid, element, name)                                              \
  {                                                                            \
    {oid, PG_FORM_RANGE, COVET_RANGE, name, element, ',', 0, NULL}, name       \
  }
#define MULTIRANGE(oid, element, name)                                         \
  {                                                                            \
    {oid, PG_FORM_MULTIRANGE, COVET_MULTIRANGE, name, element, ',', 0, NULL},  \
        name                                                                   \
  }

/* TEXT_ONLY are those whose binary form is not the value that the text shows: it
 * holds a number where the text has a name (reg*), depends on a locale (money),
 * or names the encoding anew (xml). */
const pg_builtin pg_builtins[] = {
    PLAIN(16, BOOL, BOOLEAN, "boolean", "bool"),
    PLAIN(17, BYTEA, BLOB, "bytea", "bytea"),
    PLAIN(18, TEXT_ONLY, TEXT, "\"char\"", "char"),
    PLAIN(19, TEXT, TEXT, "name", "name"),
    PLAIN(20, INT8, INTEGER, "bigint", "int8"),
    PLAIN(21, INT2, INTEGER, "smallint", "int2"),
    PLAIN(22, TEXT_ONLY, TEXT, "int2vector", "int2vector"),
    PLAIN(23, INT4, INTEGER, "integer", "int4"),
    PLAIN(24, TEXT_ONLY, TEXT, "regproc", "regproc"),
    PLAIN(25, TEXT, TEXT, "text", "text"),
    PLAIN(26, OID, INTEGER, "oid", "oid"),
    PLAIN(27, TEXT_ONLY, TEXT, "tid", "tid"),
    PLAIN(28, OID, INTEGER, "xid", "xid"),
    PLAIN(29, OID, INTEGER, "cid", "cid"),
    PLAIN(30, TEXT_ONLY, TEXT, "oidvector", "oidvector"),
    PLAIN(114, TEXT, JSON, "json", "json"),
    PLAIN(142, TEXT_ONLY, TEXT, "xml", "xml"),
    ARRAY(143, 142, "xml[]", "_xml"),
    PLAIN(194, TEXT, TEXT, "pg_node_tree", "pg_node_tree"),
    ARRAY(199, 114, "json[]", "_json"),
    ARRAY(271, 5069, "xid8[]", "_xid8"),
    PLAIN(600, POINT, TEXT, "point", "point"),
    PLAIN(601, LSEG, TEXT, "lseg", "lseg"),
    PLAIN(602, PATH, TEXT, "path", "path"),
    PLAIN(603, BOX, TEXT, "box", "box"),
    PLAIN(604, POLYGON, TEXT, "polygon", "polygon"),
    PLAIN(628, LINE, TEXT, "line", "line"),
    ARRAY(629, 628, "line[]", "_line"),
    PLAIN(650, INET, TEXT, "cidr", "cidr"),
    ARRAY(651, 650, "cidr[]", "_cidr"),
    PLAIN(700, FLOAT4, FLOAT, "real", "float4"),
    PLAIN(701, FLOAT8, FLOAT, "double precision", "float8"),
    PLAIN(705, TEXT, TEXT, "unknown", "unknown"),
    PLAIN(718, CIRCLE, TEXT, "circle", "circle"),
    ARRAY(719, 718, "circle[]", "_circle"),
    PLAIN(774, MACADDR, TEXT, "macaddr8", "macaddr8"),
    ARRAY(775, 774, "macaddr8[]", "_macaddr8"),
    PLAIN(790, TEXT_ONLY, TEXT, "money", "money"),
    ARRAY(791, 790, "money[]", "_money"),
    PLAIN(829, MACADDR, TEXT, "macaddr", "macaddr"),
    PLAIN(869, INET, TEXT, "inet", "inet"),
    ARRAY(1000, 16, "boolean[]", "_bool"),
    ARRAY(1001, 17, "bytea[]", "_bytea"),
    ARRAY(1002, 18, "\"char\"[]", "_char"),
    ARRAY(1003, 19, "name[]", "_name"),
    ARRAY(1005, 21, "smallint[]", "_int2"),
    ARRAY(1006, 22, "int2vector[]", "_int2vector"),
    ARRAY(1007, 23, "integer[]", "_int4"),
    ARRAY(1008, 24, "regproc[]", "_regproc"),
    ARRAY(1009, 25, "text[]", "_text"),
    ARRAY(1010, 27, "tid[]", "_tid"),
    ARRAY(1011, 28, "xid[]", "_xid"),
    ARRAY(1012, 29, "cid[]", "_cid"),
    ARRAY(1013, 30, "oidvector[]", "_oidvector"),
    ARRAY(1014, 1042, "character[]", "_bpchar"),
    ARRAY(1015, 1043, "character varying[]", "_varchar"),
    ARRAY(1016, 20, "bigint[]", "_int8"),
    ARRAY(1017, 600, "point[]", "_point"),
    ARRAY(1018, 601, "lseg[]", "_lseg"),
    ARRAY(1019, 602, "path[]", "_path"),
    DELIMITED(1020, 603, ';', "box[]", "_box"),
    ARRAY(1021, 700, "real[]", "_float4"),
    ARRAY(1022, 701, "double precision[]", "_float8"),
    ARRAY(1027, 604, "polygon[]", "_polygon"),
    ARRAY(1028, 26, "oid[]", "_oid"),
    PLAIN(1033, TEXT_ONLY, TEXT, "aclitem", "aclitem"),
    ARRAY(1034, 1033, "aclitem[]", "_aclitem"),
    ARRAY(1040, 829, "macaddr[]", "_macaddr"),
    ARRAY(1041, 869, "inet[]", "_inet"),
    PLAIN(1042, TEXT, TEXT, "character", "bpchar"),
    PLAIN(1043, TEXT, TEXT, "character varying", "varchar"),
    PLAIN(1082, DATE, DATE, "date", "date"),
    PLAIN(1083, TIME, TIME, "time without time zone", "time"),
    PLAIN(1114, TIMESTAMP, TIMESTAMP, "timestamp without time zone",
          "timestamp"),
    ARRAY(1115, 1114, "timestamp without time zone[]", "_timestamp"),
    ARRAY(1182, 1082, "date[]", "_date"),
    ARRAY(1183, 1083, "time without time zone[]", "_time"),
    PLAIN(1184, TIMESTAMPTZ, TIMESTAMPTZ, "timestamp with time zone",
          "timestamptz"),
    ARRAY(1185, 1184, "timestamp with time zone[]", "_timestamptz"),
    PLAIN(1186, INTERVAL, INTERVAL, "interval", "interval"),
    ARRAY(1187, 1186, "interval[]", "_interval"),
    ARRAY(1231, 1700, "numeric[]", "_numeric"),
    ARRAY(1263, 2275, "cstring[]", "_cstring"),
    PLAIN(1266, TIMETZ, TIME, "time with time zone", "timetz"),
    ARRAY(1270, 1266, "time with time zone[]", "_timetz"),
    PLAIN(1560, BIT, TEXT, "bit", "bit"),
    ARRAY(1561, 1560, "bit[]", "_bit"),
    PLAIN(1562, BIT, TEXT, "bit varying", "varbit"),
    ARRAY(1563, 1562, "bit varying[]", "_varbit"),
    PLAIN(1700, NUMERIC, NUMERIC, "numeric", "numeric"),
    PLAIN(1790, TEXT, TEXT, "refcursor", "refcursor"),
    ARRAY(2201, 1790, "refcursor[]", "_refcursor"),
    PLAIN(2202, TEXT_ONLY, TEXT, "regprocedure", "regprocedure"),
    PLAIN(2203, TEXT_ONLY, TEXT, "regoper", "regoper"),
    PLAIN(2204, TEXT_ONLY, TEXT, "regoperator", "regoperator"),
    PLAIN(2205, TEXT_ONLY, TEXT, "regclass", "regclass"),
    PLAIN(2206, TEXT_ONLY, TEXT, "regtype", "regtype"),
    ARRAY(2207, 2202, "regprocedure[]", "_regprocedure"),
    ARRAY(2208, 2203, "regoper[]", "_regoper"),
    ARRAY(2209, 2204, "regoperator[]", "_regoperator"),
    ARRAY(2210, 2205, "regclass[]", "_regclass"),
    ARRAY(2211, 2206, "regtype[]", "_regtype"),
    PLAIN(2249, RECORD, COMPOSITE, "record", "record"),
    PLAIN(2275, TEXT, TEXT, "cstring", "cstring"),
    PLAIN(2278, TEXT, TEXT, "void", "void"),
    ARRAY(2287, 2249, "record[]", "_record"),
    ARRAY(2949, 2970, "txid_snapshot[]", "_txid_snapshot"),
    PLAIN(2950, UUID, TEXT, "uuid", "uuid"),
    ARRAY(2951, 2950, "uuid[]", "_uuid"),
    PLAIN(2970, TEXT_ONLY, TEXT, "txid_snapshot", "txid_snapshot"),
    PLAIN(3220, LSN, TEXT, "pg_lsn", "pg_lsn"),
    ARRAY(3221, 3220, "pg_lsn[]", "_pg_lsn"),
    PLAIN(3361, TEXT_ONLY, TEXT, "pg_ndistinct", "pg_ndistinct"),
    PLAIN(3402, TEXT_ONLY, TEXT, "pg_dependencies", "pg_dependencies"),
    PLAIN(3614, TSVECTOR, TEXT, "tsvector", "tsvector"),
    PLAIN(3615, TEXT_ONLY, TEXT, "tsquery", "tsquery"),
    PLAIN(3642, TEXT_ONLY, TEXT, "gtsvector", "gtsvector"),
    ARRAY(3643, 3614, "tsvector[]", "_tsvector"),
    ARRAY(3644, 3642, "gtsvector[]", "_gtsvector"),
    ARRAY(3645, 3615, "tsquery[]", "_tsquery"),
    PLAIN(3734, TEXT_ONLY, TEXT, "regconfig", "regconfig"),
    ARRAY(3735, 3734, "regconfig[]", "_regconfig"),
    PLAIN(3769, TEXT_ONLY, TEXT, "regdictionary", "regdictionary"),
    ARRAY(3770, 3769, "regdictionary[]", "_regdictionary"),
    PLAIN(3802, JSONB, JSON, "jsonb", "jsonb"),
    ARRAY(3807, 3802, "jsonb[]", "_jsonb"),
    RANGE(3904, 23, "int4range"),
    ARRAY(3905, 3904, "int4range[]", "_int4range"),
    RANGE(3906, 1700, "numrange"),
    ARRAY(3907, 3906, "numrange[]", "_numrange"),
    RANGE(3908, 1114, "tsrange"),
    ARRAY(3909, 3908, "tsrange[]", "_tsrange"),
    RANGE(3910, 1184, "tstzrange"),
    ARRAY(3911, 3910, "tstzrange[]", "_tstzrange"),
    RANGE(3912, 1082, "daterange"),
    ARRAY(3913, 3912, "daterange[]", "_daterange"),
    RANGE(3926, 20, "int8range"),
    ARRAY(3927, 3926, "int8range[]", "_int8range"),
    PLAIN(4072, TEXT_ONLY, TEXT, "jsonpath", "jsonpath"),
    ARRAY(4073, 4072, "jsonpath[]", "_jsonpath"),
    PLAIN(4089, TEXT_ONLY, TEXT, "regnamespace", "regnamespace"),
    ARRAY(4090, 4089, "regnamespace[]", "_regnamespace"),
    PLAIN(4096, TEXT_ONLY, TEXT, "regrole", "regrole"),
    ARRAY(4097, 4096, "regrole[]", "_regrole"),
    PLAIN(4191, TEXT_ONLY, TEXT, "regcollation", "regcollation"),
    ARRAY(4192, 4191, "regcollation[]", "_regcollation"),
    MULTIRANGE(4451, 3904, "int4multirange"),
    MULTIRANGE(4532, 3906, "nummultirange"),
    MULTIRANGE(4533, 3908, "tsmultirange"),
    MULTIRANGE(4534, 3910, "tstzmultirange"),
    MULTIRANGE(4535, 3912, "datemultirange"),
    MULTIRANGE(4536, 3926, "int8multirange"),
    PLAIN(4600, TEXT_ONLY, TEXT, "pg_brin_bloom_summary",
          "pg_brin_bloom_summary"),
    PLAIN(4601, TEXT_ONLY, TEXT, "pg_brin_minmax_multi_summary",
          "pg_brin_minmax_multi_summary"),
    PLAIN(5017, TEXT_ONLY, TEXT, "pg_mcv_list", "pg_mcv_list"),
    PLAIN(5038, TEXT_ONLY, TEXT, "pg_snapshot", "pg_snapshot"),
    ARRAY(5039, 5038, "pg_snapshot[]", "_pg_snapshot"),
    PLAIN(5069, XID8, INTEGER, "xid8", "xid8"),
    ARRAY(6150, 4451, "int4multirange[]", "_int4multirange"),
    ARRAY(6151, 4532, "nummultirange[]", "_nummultirange"),
    ARRAY(6152, 4533, "tsmultirange[]", "_tsmultirange"),
    ARRAY(6153, 4534, "tstzmultirange[]", "_tstzmultirange"),
    ARRAY(6155, 4535, "datemultirange[]", "_datemultirange"),
    ARRAY(6157, 4536, "int8multirange[]", "_int8multirange"),
};

const uint32_t pg_builtin_count = sizeof(pg_builtins) / sizeof(pg_builtins[0]);

const pg_type *pg_builtin_find(uint32_t oid)
{
  uint32_t first = 0;
  uint32_t end = pg_builtin_count;

  while (first < end) {
    uint32_t middle = (first + end) / 2;

    if (pg_builtins[middle].type.oid < oid) {
      first = middle + 1;
    } else {
      end = middle;
    }
  }
  if (first < pg_builtin_count && pg_builtins[first].type.oid == oid) {
    return &pg_builtins[first].type;
  }
  return NULL;
}
