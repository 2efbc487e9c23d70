-- The least, the greatest, nothing, and something in between, of every type.
INSERT INTO all_types
  (id, c_tinyint, c_boolean, c_smallint, c_mediumint, c_int, c_bigint, c_bigint_unsigned, c_zerofill, c_bit1,
   c_bit, c_decimal, c_decimal_whole, c_float, c_double, c_char, c_varchar, c_latin1, c_text, c_longtext, c_enum,
   c_set, c_json, c_date, c_datetime, c_datetime6, c_timestamp, c_timestamp3, c_time, c_time6, c_year, c_binary,
   c_varbinary, c_blob, c_geometry)
VALUES
  (1, -128, 0, 0, -8388608, 0, -9223372036854775808, 0, 0, b'0', b'0',
   -99999999999999999999999999999999999.999999999999999999999999999999, -99999999999999999999, -1.5, -2.5e-308, '',
   '', '', '', '', 'small', '', 'null', '1000-01-01', '1000-01-01 00:00:00', '1000-01-01 00:00:00.000000',
   '1970-01-01 00:00:01', '1970-01-01 00:00:01.000', '-838:59:59', '-838:59:59.000000', 1901, '', '', '',
   ST_GeomFromText('POINT(0 0)')),
  (2, 127, 1, 65535, 8388607, 4294967295, 9223372036854775807, 18446744073709551615, 42, b'1',
   b'11111111111111111', 99999999999999999999999999999999999.999999999999999999999999999999, 99999999999999999999,
   3.4e38, 1.7976931348623157e308, 'char', 'naïve 😀', 'café', 'line\nbreak', 'quote " and \\', 'large',
   'red,green,blue', '{"deep": [1, 2.50, {"x": null}], "big": 12345678901234567890, "text": "é"}', '9999-12-31',
   '9999-12-31 23:59:59', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07', '2038-01-19 03:14:07.999',
   '838:59:59', '838:59:58.999999', 2155, x'00ff10', x'00ff', x'deadbeef', ST_GeomFromText('POINT(12.5 -7.25)')),
  (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
   null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
  (4, 1, 2, 300, -70000, 5, -6, 7, 8, b'1', b'101', 0.1, 12, 0.1, 0.1, 'x', 'y', 'z', 'text', 'longer text',
   'medium', 'blue', '[]', '2024-02-29', '2024-02-29 12:34:56', '2024-02-29 12:34:56.700000',
   '2024-02-29 12:34:56', '2024-02-29 12:34:56.789', '12:34:56', '00:00:00.000001', 2024, 'binary', 'varbinary',
   'blob', ST_GeomFromText('POINT(1 2)'))
