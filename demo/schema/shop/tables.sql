CREATE TABLE customers (
  customer_id BIGINT UNSIGNED NOT NULL,
  name VARCHAR(100) NOT NULL,
  email VARCHAR(255),
  newsletter TINYINT(1) NOT NULL DEFAULT 0,
  joined_at DATETIME NOT NULL,
  PRIMARY KEY (customer_id)
);

CREATE TABLE products (
  product_id INT NOT NULL,
  title VARCHAR(200) NOT NULL,
  price DECIMAL(10, 2) NOT NULL,
  stock INT NOT NULL,
  attributes JSON,
  PRIMARY KEY (product_id)
);

-- An order lives on the shard of its customer, so its key can change without changing shards.
CREATE TABLE orders (
  order_id BIGINT NOT NULL,
  customer_id BIGINT UNSIGNED NOT NULL,
  status ENUM('open', 'paid', 'sent') NOT NULL DEFAULT 'open',
  placed_at TIMESTAMP(6) NOT NULL,
  PRIMARY KEY (order_id)
);

CREATE TABLE order_items (
  order_id BIGINT NOT NULL,
  line_number SMALLINT UNSIGNED NOT NULL,
  product_id INT NOT NULL,
  quantity INT UNSIGNED NOT NULL,
  PRIMARY KEY (order_id, line_number)
);

-- No key: the same row may be there twice.
CREATE TABLE events (
  customer_id BIGINT UNSIGNED NOT NULL,
  kind ENUM('visit', 'search', 'click') NOT NULL,
  at DATETIME(3) NOT NULL,
  detail VARCHAR(200)
);

CREATE TABLE all_types (
  id INT NOT NULL,
  c_tinyint TINYINT, c_boolean TINYINT(1), c_smallint SMALLINT UNSIGNED, c_mediumint MEDIUMINT, c_int INT UNSIGNED,
  c_bigint BIGINT, c_bigint_unsigned BIGINT UNSIGNED, c_zerofill INT(8) ZEROFILL, c_bit1 BIT(1), c_bit BIT(17),
  c_decimal DECIMAL(65, 30), c_decimal_whole DECIMAL(20, 0), c_float FLOAT, c_double DOUBLE,
  c_char CHAR(10), c_varchar VARCHAR(100), c_latin1 VARCHAR(50) CHARACTER SET latin1, c_text TEXT, c_longtext LONGTEXT,
  c_enum ENUM('small', 'medium', 'large'), c_set SET('red', 'green', 'blue'), c_json JSON,
  c_date DATE, c_datetime DATETIME, c_datetime6 DATETIME(6), c_timestamp TIMESTAMP NULL, c_timestamp3 TIMESTAMP(3) NULL,
  c_time TIME, c_time6 TIME(6), c_year YEAR,
  c_binary BINARY(8), c_varbinary VARBINARY(50), c_blob BLOB, c_geometry GEOMETRY,
  PRIMARY KEY (id)
);

-- A view is no table: the connector leaves it out.
CREATE VIEW order_sizes AS
  SELECT order_id, COUNT(*) AS line_count, SUM(quantity) AS piece_count FROM order_items GROUP BY order_id;
