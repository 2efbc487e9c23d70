-- Sequences live in an unsharded keyspace and hand out ids to sharded tables.
CREATE TABLE customer_seq (
  id BIGINT NOT NULL,
  next_id BIGINT NOT NULL,
  cache BIGINT NOT NULL,
  PRIMARY KEY (id)
) COMMENT 'vitess_sequence';

INSERT INTO customer_seq (id, next_id, cache) VALUES (0, 1000, 100);

CREATE TABLE product (
  sku VARCHAR(64) NOT NULL,
  description VARCHAR(255) NOT NULL,
  price DECIMAL(12, 2) NOT NULL,
  PRIMARY KEY (sku)
);
