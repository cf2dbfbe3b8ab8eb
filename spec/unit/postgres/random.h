/** Queries whose rows are values by chance, made by the server. */
#ifndef COVET_SPEC_POSTGRES_RANDOM_H
#define COVET_SPEC_POSTGRES_RANDOM_H

#define ROWS " FROM generate_series(1, 2000) n"
/* Any bits of so many bytes, in hexadecimal. */
#define BITS(count) "substr(md5(random()::text || n), 1, " #count ")"
#define WIDE "('x' || " BITS(16) ")::bit(64)::bigint"
#define NARROW "('x' || " BITS(8) ")::bit(32)::integer"
#define TEXT                                                                   \
  "(SELECT coalesce(string_agg(substr('ab \"\\{}()[],;=>''NULL' || chr(233) "  \
  "|| chr(10), 1 + (random() * 23)::int, 1), ''), '')"                         \
  " FROM generate_series(1, (random() * 6)::int + n * 0))"

static const char pg_random_moments[] =
    "SELECT to_timestamp((random() * 4e9 - 2.5e9))"
    " + (random() * 1e6)::int * interval '1 microsecond'" ROWS;

static const char *const pg_random_queries[] = {
    "SELECT " WIDE ROWS,
    "SELECT " NARROW ROWS,
    /* any bits as floats: the server has no cast, but receives them */
    "SELECT (random() * 2 - 1) * power(10, (random() * 600 - 300)::int)" ROWS,
    "SELECT ((random() * 2 - 1) * power(10, (random() * 74 - "
    "37)::int))::real" ROWS,
    "SELECT power(2, n)::float8 FROM generate_series(-1074, 1023) n",
    "SELECT power(2, n)::float4 FROM generate_series(-149, 127) n",
    "SELECT -power(10, n)::float8 FROM generate_series(-320, 308) n",
    "SELECT power(10, n)::float4 FROM generate_series(-44, 38) n",
    "SELECT n * power(10, (random() * 40 - 20)::int)" ROWS,
    "SELECT (" WIDE ")::float8" ROWS,
    "SELECT (" WIDE ")::float4" ROWS,
    "SELECT (n * 5e-324)::float8" ROWS,
    "SELECT (n::float8 * 1.4e-45::float8)::float4" ROWS,
    "SELECT round((random()::numeric - 0.5) * power(10::numeric,"
    " (random() * 60 - 30)::int), (random() * 40)::int)" ROWS,
    "SELECT (" WIDE
    ")::numeric * power(10::numeric, (random() * 80 - 40)::int)" ROWS,
    "SELECT round(random()::numeric * 1e12, n % 30)" ROWS,
    "SELECT decode(" BITS(32) ", 'hex')" ROWS,
    "SELECT " BITS(32) "::uuid" ROWS,
    "SELECT date '2000-01-01' + (random() * 5800000 - 2451545)::int" ROWS,
    "SELECT timestamp '2000-01-01' + (random() * 3e5)::int * interval '1 day'"
    " * sign(random() - 0.01) * (CASE WHEN random() < 0.5 THEN 1 ELSE 0.1 END)"
    " + (random() * 86400e6)::bigint * interval '1 us'" ROWS,
    "SELECT timestamp '2000-01-01' - (random() * 2451544)::int * interval"
    " '1 day' + (random() * 1e6)::int * interval '1 us'" ROWS,
    "SELECT time '00:00' + (random() * 86399e6)::bigint * interval '1 us'" ROWS,
    "SELECT (time '00:00' + (random() * 86399e6)::bigint * interval '1 us')"
    " AT TIME ZONE ((random() * 100000 - 50000)::int * interval '1 s')" ROWS,
    pg_random_moments,
    "SELECT make_interval((random() * 9 - 5)::int, (random() * 19 - 9)::int, 0,"
    " (random() * 9 - 4)::int, (random() * 9 - 4)::int, 0,"
    " round((random() * 90 - 45)::numeric, n % 7)::float8)" ROWS,
    "SELECT ('1.2.3.4'::inet + (" NARROW ")::bigint / 4000) - 0" ROWS,
    "SELECT set_masklen('0.0.0.0'::inet + (random() * 4294967295)::bigint,"
    " n % 33)" ROWS,
    "SELECT (SELECT string_agg(CASE WHEN random() < 0.6 THEN '0' ELSE"
    " to_hex((random() * 65535)::int) END, ':') FROM generate_series(1, 8)"
    " WHERE n > 0)::inet" ROWS,
    "SELECT set_masklen(('::' || CASE n % 3 WHEN 0 THEN 'ffff:' WHEN 1 THEN ''"
    " ELSE '0:' END || n || '.' || 0 || '.1.2')::inet, n % 129) FROM"
    " generate_series(1, 255) n",
    "SELECT ('x' || " BITS(20) ")::varbit << 3" ROWS,
    "SELECT point((random() - 0.5) * power(10, n % 30), n / 7.0)" ROWS,
    "SELECT pg_lsn '0/0' + (random() * 1e18)::numeric(20,0)" ROWS,
    "SELECT array_fill(n::numeric / 7, array[1 + n % 3, 1 + n % 4],"
    " array[n % 7 - 3, 5])" ROWS,
    "SELECT " TEXT ROWS,
    "SELECT array_agg(x) FROM (SELECT n / 5 AS g, nullif(" TEXT
    ", '') AS x" ROWS ") s GROUP BY g",
    "SELECT array[[" TEXT ", " TEXT "], [NULL, " TEXT "]]" ROWS,
    "SELECT row(n, " TEXT ")::pair" ROWS,
    "SELECT array[row(n, " TEXT ")::pair, NULL, row(NULL, " TEXT
    ")::pair]" ROWS,
    "SELECT row(row(n, " TEXT ")::pair, 'so so', 7, to_jsonb(" TEXT
    "), array[random()::numeric, NULL], to_timestamp(n * 1234567.8),"
    " int4range(n, n + 5), hstore(" TEXT ", " TEXT
    "), decode(" BITS(8) ", 'hex'), '{sad}')::wide" ROWS,
    "SELECT textrange(least(a, b), greatest(a, b), '[]') FROM (SELECT " TEXT
    " AS a, " TEXT " AS b" ROWS ") s",
    "SELECT array[textrange(least(a, b), greatest(a, b), '()'), NULL] FROM"
    " (SELECT " TEXT " AS a, " TEXT " AS b" ROWS ") s",
    "SELECT textmultirange(textrange(least(a, b), greatest(a, b), '[]'),"
    " textrange('x', 'x' || a, '[)')) FROM (SELECT " TEXT " AS a, " TEXT
    " AS b" ROWS ") s",
    "SELECT hstore(" TEXT ", nullif(" TEXT ", '')) || hstore(" TEXT ", " TEXT
    ")" ROWS,
    "SELECT array_to_tsvector(array[coalesce(nullif(" TEXT
    ", ''), 'x'), 'y'])" ROWS,
    "SELECT setweight(to_tsvector('simple', " TEXT
    " || ' x1 ' || " BITS(6) "), substr('ABCD', 1 + n % 4, 1)::\"char\")" ROWS,
    "SELECT jsonb_build_object(" TEXT ", " TEXT ")" ROWS,
};

#endif
