-- What the specs of transactions share: a table t of id and v.
local M = {}

--- Make the table.
function M.create(db, d)
  db:execute(("create table t (id %s primary key, v %s)"):format(
    d.types.integer, d.types.integer))
end

--- The statement that inserts an id and a value.
function M.insert(d)
  return d:sql "insert into t values (?, ?)"
end

--- What is in the table.
function M.ids(db)
  return (db:fetch_column "select id from t order by id")
end

return M
