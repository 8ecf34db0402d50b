<?php
// What PHP writes: a line of JSON for each value.
function say(string $by, string $code, string $form, string $type, array $written): void {
    echo json_encode(['by' => $by, 'code' => $code, 'form' => $form, 'type' => $type] + $written, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
}
$php = 'php ' . PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION;
$values = [
    ['true', true, 'bool'],
    ['false', false, 'bool'],
    ['null', null, 'int'],
    ['round(4.4)', round(4.4), 'int'],
    ['microtime(true) * 1000', 1795813525123.7, 'time'],
    ['1e20', 1e20, 'string'],
    ['PHP_INT_MAX + 1', PHP_INT_MAX + 1, 'string'],
];
$redis = new Redis();
$redis->connect(getenv('SOCKET'));
foreach ($values as [$code, $value, $type]) {
    $redis->del('s');
    $redis->xAdd('s', '*', ['v' => $value]);
    $fields = current($redis->xRange('s', '-', '+'));
    say('phpredis ' . phpversion('redis'), "xAdd: $code", 'field', $type, ['text' => $fields['v']]);
    say($php, "json_encode($code)", 'json', $type, ['text' => json_encode($value)]);
    say('msgpack (PHP) ' . phpversion('msgpack'), "msgpack_pack($code)", 'messagepack', $type, ['hex' => bin2hex(msgpack_pack($value))]);
}
foreach ([',', ';'] as $delimiter) {
    $file = fopen('php://memory', 'w+');
    fputcsv($file, ['id', 'v'], $delimiter);
    fputcsv($file, ['a', false], $delimiter);
    rewind($file);
    say($php, "fputcsv(…, '$delimiter'): false", $delimiter === ',' ? 'csv' : 'csv;', 'bool', ['text' => stream_get_contents($file)]);
}
