-- Which acts upon an account its owner was told of by mail. A twin of migrations/postgres/0043_account_told.sql.

ALTER TABLE account_act ADD COLUMN told INTEGER NOT NULL DEFAULT 1 /* 0 until the owner is told of it by mail, then 1; of what was done before such letters nobody is told. */;

CREATE INDEX account_act_untold ON account_act (id) WHERE told = 0;
