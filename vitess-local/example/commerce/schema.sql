CREATE TABLE customer (
  customer_id BIGINT NOT NULL,
  name VARCHAR(100) NOT NULL,
  email VARCHAR(255),
  joined_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (customer_id)
);

CREATE TABLE purchase (
  purchase_id BIGINT NOT NULL,
  customer_id BIGINT NOT NULL,
  sku VARCHAR(64) NOT NULL,
  quantity INT UNSIGNED NOT NULL,
  status ENUM('open', 'paid', 'sent') NOT NULL DEFAULT 'open',
  note JSON,
  PRIMARY KEY (customer_id, purchase_id)
);
