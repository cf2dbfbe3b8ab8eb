-- What a database tells about itself.
local covet = require "covet"
local fails = require "spec.support.fails"
local postgresql = require "spec.support.postgresql"

postgresql.describe("introspection", function()
  local database, db

  setup(function()
    database = postgresql.fresh_database()
  end)
  teardown(function()
    database:drop()
  end)

  local function open(more)
    local given = postgresql.options(database.url)
    given.min_pool_size, given.max_pool_size = 1, 4
    for name, value in pairs(more or {}) do
      given[name] = value
    end
    return covet.postgresql(given)
  end

  before_each(function()
    database:clear()
    db = open():connect()
  end)
  after_each(function()
    db:disconnect(2)
  end)

  it("tells of columns as the information schema does", function()
    db:execute [[create table parent (a int, b text, primary key (a, b));
      create table child (id bigint generated always as identity primary key,
        name varchar(20) not null, price numeric(10, 2) default 1.5, tags text[], a int, b text,
        at timestamptz(3),
        foreign key (a, b) references parent on delete cascade on update set null);
      alter table child drop column at;
      alter table child add column last date;
      create unique index child_name on child (lower(name), id) where a > 0]]
    local keys = { "column_name", "data_type", "is_nullable", "column_default",
      "character_maximum_length", "numeric_precision", "numeric_scale", "datetime_precision",
      "ordinal_position", "udt_name", "is_identity", "is_generated" }
    local expected = db:fetch_all("select " .. table.concat(keys, ", ")
      .. " from information_schema.columns where table_name = 'child' order by ordinal_position")
    local columns = db:get_table_info "child"
    assert.equal(#expected, #columns)
    for i, row in ipairs(expected) do
      for _, key in ipairs(keys) do
        assert.equal(row[key], columns[i][key], key)
      end
    end
    assert.equal("character varying(20)", columns[2].type)
    assert.is_true(columns[1].primary_key)
    assert.is_false(columns[2].nullable)
    assert.equal("last", columns[7].name)
    assert.equal(7, columns[7].position)
    assert.equal("1.5", columns[3].default)
    local indexes = db:get_indexes "child"
    assert.same({
      { name = "child_name", unique = true, primary_key = false, partial = true,
          columns = { "lower(name::text)", "id" } },
      { name = "child_pkey", unique = true, primary_key = true, partial = false, columns = { "id" } },
    }, indexes)
    assert.same({ {
      name = "child_a_b_fkey", table = "parent", schema = "public", columns = { "a", "b" },
      foreign_columns = { "a", "b" }, on_update = "SET NULL", on_delete = "CASCADE",
    } }, db:get_foreign_keys "child")
  end)

  it("finds tables along the search path, or in a schema", function()
    db:execute "create schema other; create table other.t (a int); create view v as select 1 as x"
    assert.is_false(db:table_exists "t")
    assert.is_true(db:table_exists("t", "other"))
    assert.is_true(db:table_exists("t", { schema = "other" }))
    assert.is_true(db:table_exists "v")
    assert.same({}, db:get_table_list())
    assert.same({ "t" }, db:get_table_list "other")
    assert.same({}, db:get_table_info "t")
    assert.equal("a", db:get_table_info("t", { schema = "other" })[1].name)
    assert.equal("OK", db:optimize_table("t", { schema = "other" }).Msg_text)
    assert.equal("OK", db:analyze_table("t", { schema = "other" }).Msg_text)
    fails("undefined_table", db, "analyze_table", "t")
    local found = false
    for _, name in ipairs(db:get_database_list()) do
      found = found or name == database.name
    end
    assert.is_true(found)
    assert.matches("^PostgreSQL %d+", db:get_version())
    db:transaction(function(tx)
      assert.is_true(tx:table_exists("t", "other"))
    end)
  end)

  it("tells columns of a primary key from those that are only included", function()
    db:execute "create table t (id int, name text, other int, primary key (other, id) include (name))"
    local keys = {}
    for _, column in ipairs(db:get_table_info "t") do
      keys[column.name] = column.primary_key
    end
    assert.same({ id = true, name = false, other = true }, keys)
  end)

  it("leaves generated columns out where records name none", function()
    db:execute "create table t (a int, b int generated always as (a * 2) stored, c int)"
    assert.equal(2, db:copy_records_to_table("t", { { 1, 2 }, { 3, 4 } }))
    assert.same({ { a = 1, b = 2, c = 2 }, { a = 3, b = 6, c = 4 } },
      db:fetch_all "select * from t order by a")
  end)
end)
